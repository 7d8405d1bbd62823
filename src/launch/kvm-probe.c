/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether KVM runs guests here at the speed of the processor. */
#include "kvm-probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "descriptor.h"
#include "error.h"

/* The processor does the loop in a millisecond; emulation takes seconds. */
#define LOOPS 1000000
#define EXPECTED ((uint32_t) ((uint64_t) LOOPS * (LOOPS + 1) / 2))
#define PROBE_TIME_USEC G_USEC_PER_SEC
#define TICK_USEC 50000
#define PORT 0x7475

/* The guest's memory. */
#define MEMORY_SIZE 0x200000 /* one large page, mapped to itself */
#define CODE 0x1000
#define PAGE_TABLES 0x2000 /* three levels, a page each */
#define STACK 0x100000
#define TASK_STATE 0xfffbd000 /* where Intel's processors may keep a real-mode task state */

#define MAX_CPUID_ENTRIES 256

static const uint8_t guest_code[] = {
  0x66, 0xba, 0x75, 0x74,                         /*   mov    $PORT, %dx          */
  0xb9, 0x40, 0x42, 0x0f, 0x00,                   /*   mov    $LOOPS, %ecx        */
  0x31, 0xc0,                                     /*   xor    %eax, %eax          */
  0x01, 0xc8,                                     /* 1: add   %ecx, %eax          */
  0xff, 0xc9,                                     /*   dec    %ecx                */
  0x75, 0xfa,                                     /*   jnz    1b                  */
  0x66, 0x0f, 0x6e, 0xc0,                         /*   movd   %eax, %xmm0         */
  0x0f, 0x11, 0x04, 0x25, 0,    0,    0x05, 0x00, /*   movups %xmm0, 0x50000      */
  0x0f, 0x20, 0xd9,                               /*   mov    %cr3, %rcx          */
  0x0f, 0x22, 0xd9,                               /*   mov    %rcx, %cr3          */
  0x8b, 0x04, 0x25, 0,    0,    0x05, 0x00,       /*   mov    0x50000, %eax       */
  0xef,                                           /*   out    %eax, %dx           */
  0xf4,                                           /*   hlt                        */
};

typedef struct
{
  int kvm;
  int machine;
  int cpu;
  uint8_t *memory;
  struct kvm_run *run;
  gsize run_size;
} Probe;

static gboolean
fail_errno (GError **error, const char *what)
{
  g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_NOT_SUPPORTED, "%s: %s", what,
               g_strerror (errno));
  return FALSE;
}

static gboolean
fail (GError **error, const char *what)
{
  g_set_error_literal (error, TOMBOLO_ERROR, TOMBOLO_ERROR_NOT_SUPPORTED, what);
  return FALSE;
}

static void
probe_clear (Probe *probe)
{
  if (probe->run != NULL)
    munmap (probe->run, probe->run_size);
  if (probe->memory != NULL)
    munmap (probe->memory, MEMORY_SIZE);
  fd_clear (&probe->cpu);
  fd_clear (&probe->machine);
  fd_clear (&probe->kvm);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Probe, probe_clear)

static void *
map (gsize size, int flags, int fd)
{
  void *address = mmap (NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

  return address != MAP_FAILED ? address : NULL;
}

static void
write_page_tables (uint8_t *memory)
{
  const uint64_t present_writable = 0x3, large = 0x80;
  const uint64_t entries[] = {
    (PAGE_TABLES + 0x1000) | present_writable,
    (PAGE_TABLES + 0x2000) | present_writable,
    0 | present_writable | large,
  };

  for (guint i = 0; i < G_N_ELEMENTS (entries); i++)
    memcpy (memory + PAGE_TABLES + i * 0x1000, &entries[i], sizeof entries[i]);
}

static gboolean
make_machine (Probe *probe, const char *device, GError **error)
{
  struct kvm_userspace_memory_region region = { .memory_size = MEMORY_SIZE };

  probe->kvm = open (device, O_RDWR | O_CLOEXEC);
  if (probe->kvm < 0)
    return fail_errno (error, "cannot open the device");
  if (ioctl (probe->kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
    return fail (error, "the device speaks another version");

  probe->machine = ioctl (probe->kvm, KVM_CREATE_VM, 0);
  if (probe->machine < 0)
    return fail_errno (error, "cannot make a machine");
  if (ioctl (probe->machine, KVM_SET_TSS_ADDR, TASK_STATE) < 0)
    return fail_errno (error, "cannot place the task state");

  probe->memory = map (MEMORY_SIZE, MAP_SHARED | MAP_ANONYMOUS, -1);
  if (probe->memory == NULL)
    return fail_errno (error, "cannot get memory");
  memcpy (probe->memory + CODE, guest_code, sizeof guest_code);
  write_page_tables (probe->memory);

  region.userspace_addr = (uintptr_t) probe->memory;
  if (ioctl (probe->machine, KVM_SET_USER_MEMORY_REGION, &region) < 0)
    return fail_errno (error, "cannot give the machine memory");
  return TRUE;
}

/* The host's own features, or 64-bit mode is refused. */
static gboolean
set_features (Probe *probe, GError **error)
{
  g_autofree struct kvm_cpuid2 *features =
      g_malloc0 (sizeof (struct kvm_cpuid2) + MAX_CPUID_ENTRIES * sizeof (struct kvm_cpuid_entry2));

  features->nent = MAX_CPUID_ENTRIES;
  if (ioctl (probe->kvm, KVM_GET_SUPPORTED_CPUID, features) < 0
      || ioctl (probe->cpu, KVM_SET_CPUID2, features) < 0)
    return fail_errno (error, "cannot set the processor's features");
  return TRUE;
}

/* Straight into 64-bit mode, as a kernel's boot code would switch. */
static gboolean
set_registers (Probe *probe, GError **error)
{
  const struct kvm_segment code = {
    .limit = G_MAXUINT32, .selector = 8, .present = 1, .type = 11, .s = 1, .l = 1, .g = 1
  };
  const struct kvm_segment data = {
    .limit = G_MAXUINT32, .selector = 16, .present = 1, .type = 3, .s = 1, .db = 1, .g = 1
  };
  struct kvm_regs registers = { .rip = CODE, .rsp = STACK, .rflags = 0x2 };
  struct kvm_sregs special;

  if (ioctl (probe->cpu, KVM_GET_SREGS, &special) < 0)
    return fail_errno (error, "cannot read the processor's registers");

  special.cr0 = 0x80050033; /* paging, protection, floating point without emulation */
  special.cr3 = PAGE_TABLES;
  special.cr4 = 0x620;  /* PAE, SSE and its exceptions */
  special.efer = 0x500; /* long mode enabled and active */
  special.cs = code;
  special.ds = special.es = special.fs = special.gs = special.ss = data;

  if (ioctl (probe->cpu, KVM_SET_SREGS, &special) < 0
      || ioctl (probe->cpu, KVM_SET_REGS, &registers) < 0)
    return fail_errno (error, "cannot set the processor's registers");
  return TRUE;
}

static gboolean
make_processor (Probe *probe, GError **error)
{
  int run_size;

  probe->cpu = ioctl (probe->machine, KVM_CREATE_VCPU, 0);
  if (probe->cpu < 0)
    return fail_errno (error, "cannot make a processor");

  run_size = ioctl (probe->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
  if (run_size < (int) sizeof (struct kvm_run))
    return fail_errno (error, "cannot tell the size of the processor's state");
  probe->run_size = (gsize) run_size;
  probe->run = map (probe->run_size, MAP_SHARED, probe->cpu);
  if (probe->run == NULL)
    return fail_errno (error, "cannot see the processor's state");

  return set_features (probe, error) && set_registers (probe, error);
}

static gboolean
is_expected_output (const struct kvm_run *run)
{
  uint32_t value;

  if (run->exit_reason != KVM_EXIT_IO || run->io.direction != KVM_EXIT_IO_OUT
      || run->io.port != PORT || run->io.size != sizeof value || run->io.count != 1)
    return FALSE;

  memcpy (&value, (const uint8_t *) run + run->io.data_offset, sizeof value);
  return value == EXPECTED;
}

static gboolean
run_guest (Probe *probe, GError **error)
{
  gint64 end = g_get_monotonic_time () + PROBE_TIME_USEC;
  gboolean output = FALSE;

  while (g_get_monotonic_time () < end)
    {
      if (ioctl (probe->cpu, KVM_RUN, 0) < 0)
        {
          if (errno == EINTR || errno == EAGAIN)
            continue;
          return fail_errno (error, "the guest does not run");
        }
      if (output && probe->run->exit_reason == KVM_EXIT_HLT)
        return TRUE;
      if (output || !is_expected_output (probe->run))
        {
          g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_NOT_SUPPORTED,
                       "the guest ended with KVM's exit reason %u", probe->run->exit_reason);
          return FALSE;
        }
      output = TRUE;
    }

  return fail (error, "the guest runs a thousand times too slowly");
}

static void
on_tick (int number)
{
}

/* Ticks, so that the guest is interrupted however long it loops; more than one, for the first may
 * come just before the guest is entered. */
static void
set_tick (glong usec)
{
  struct sigaction action = { .sa_handler = on_tick }; /* no SA_RESTART */
  struct itimerval timer = { .it_value.tv_usec = usec, .it_interval.tv_usec = usec };

  sigaction (SIGALRM, &action, NULL);
  setitimer (ITIMER_REAL, &timer, NULL);
}

gboolean
kvm_probe (const char *device, GError **error)
{
  g_auto (Probe) probe = { .kvm = -1, .machine = -1, .cpu = -1 };
  gboolean works;

  if (!make_machine (&probe, device, error) || !make_processor (&probe, error))
    return FALSE;

  set_tick (TICK_USEC);
  works = run_guest (&probe, error);
  set_tick (0);
  return works;
}

gboolean
kvm_probe_write (const char *path, const char *verdict, GError **error)
{
  auto_fd fd = open (path, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
  ssize_t size = (ssize_t) strlen (verdict);

  if (fd < 0 || write (fd, verdict, (gsize) size) != size)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_FAILED,
                   "Cannot write “%s”: %s; run systemd-tmpfiles --create.", path,
                   g_strerror (errno));
      return FALSE;
    }
  return TRUE;
}
