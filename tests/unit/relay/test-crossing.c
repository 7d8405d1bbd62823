/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The descriptors of one message: announced, read, opened on the other side; what is refused. */
#include "crossing.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chain.h"
#include "disposal.h"
#include "pty-helper.h"

#define TOKEN "00112233445566778899aabbccddeeff"

/* The call that `body` is. */
static WireMessage
make_call (WireWriter *body, const char *signature)
{
  WireMessage call = { .header = { .byte_order = wire_native_byte_order (),
                                   .type = WIRE_METHOD_CALL,
                                   .signature = signature } };

  call.body = wire_writer_data (body, &call.body_size);
  return call;
}

/* Two ends of a pipe, one of them twice, and a socket: three streams. */
static void
test_across (void)
{
  unsigned n_open = count_open ();
  auto_fd_list fds = { 0 };
  auto_fd_list far = { 0 };
  sd_event *event = NULL;
  int pipes[2], sockets[2];

  g_assert_cmpint (sd_event_new (&event), >=, 0);
  g_assert_no_errno (pipe2 (pipes, O_CLOEXEC));
  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
  fd_list_add (&fds, pipes[1]);
  fd_list_add (&fds, pipes[0]);
  fd_list_add (&fds, sockets[0]);
  fd_list_add (&fds, fcntl (pipes[1], F_DUPFD_CLOEXEC, 3));
  g_assert_cmpuint (crossing_check (&fds, NULL), ==, 3);

  {
    g_autoptr (GError) error = NULL;
    g_autoptr (Crossing) near = crossing_new (event, &fds, &error);
    g_autoptr (Crossing) read = NULL;
    WireWriter *body = wire_writer_new ();
    struct stat first, last;
    WireMessage call;

    g_assert_no_error (error);
    g_assert_cmpuint (fds.n, ==, 0);
    g_assert_cmpuint (near->n_streams, ==, 3);
    crossing_write (near, body);
    call = make_call (body, CROSSING_SIGNATURE);
    g_assert_cmpint (
        wire_body_check (call.header.byte_order, CROSSING_SIGNATURE, call.body, call.body_size, 0),
        ==, WIRE_OK);
    read = crossing_read (&call);
    g_assert_nonnull (read);
    wire_writer_free (body);

    g_assert_cmpuint (read->n_streams, ==, 3);
    g_assert_cmpuint (read->n_descriptors, ==, 4);
    for (size_t i = 0; i < 3; i++)
      {
        g_assert_cmpint (read->streams[i].kind, ==, near->streams[i].kind);
        g_assert_true (crossing_token_equal (read->streams[i].token, near->streams[i].token));
        for (size_t j = 0; j < i; j++)
          g_assert_false (crossing_token_equal (read->streams[i].token, near->streams[j].token));
      }

    g_assert_true (crossing_open (read, event, &far, &error));
    g_assert_cmpuint (far.n, ==, 4);
    g_assert_no_errno (fstat (far.fds[0], &first));
    g_assert_no_errno (fstat (far.fds[3], &last));
    g_assert_cmpuint (first.st_ino, ==, last.st_ino);
    for (size_t i = 0; i < far.n; i++)
      {
        const char *what;

        g_assert_cmpint (descriptor_kind_of (far.fds[i], &what), ==,
                         near->streams[near->descriptors[i]].kind);
        g_assert_cmpint (fcntl (far.fds[i], F_GETFD), ==, FD_CLOEXEC);
        g_assert_cmpint (fcntl (far.fds[i], F_GETFL) & O_NONBLOCK, ==, 0);
      }
  }

  fd_list_clear (&far);
  close (sockets[1]);
  sd_event_unref (event);
  expect_open (n_open);
}

/* A terminal has its size from the first moment on. */
static void
test_window (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Crossing) near = NULL;
  g_autoptr (Crossing) read = NULL;
  WireWriter *body = wire_writer_new ();
  auto_fd_list fds = { 0 };
  auto_fd_list far = { 0 };
  auto_fd slave = -1;
  sd_event *event = NULL;
  struct winsize window;
  WireMessage call;
  int master;

  g_assert_cmpint (sd_event_new (&event), >=, 0);
  g_assert_cmpint (pty_open (12, 34, &master, &slave), ==, 0);
  fd_list_add (&fds, master);
  near = crossing_new (event, &fds, &error);
  g_assert_no_error (error);
  crossing_write (near, body);
  call = make_call (body, CROSSING_SIGNATURE);
  read = crossing_read (&call);
  wire_writer_free (body);
  g_assert_true (crossing_open (read, event, &far, &error));
  g_assert_no_errno (ioctl (far.fds[0], TIOCGWINSZ, &window));
  g_assert_cmpint (window.ws_row, ==, 12);
  g_assert_cmpint (window.ws_col, ==, 34);

  g_clear_pointer (&near, crossing_free);
  g_clear_pointer (&read, crossing_free);
  while (sd_event_run (event, 100000) > 0) /* the ends of processes */
    ;
  sd_event_unref (event);
}

/* One that cannot cross: the error says which and what, and none is left open. */
static void
test_refused (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) again = NULL;
  sd_event *event = NULL;
  unsigned n_open;
  FdList fds = { 0 };
  int pipes[2];

  g_assert_cmpint (sd_event_new (&event), >=, 0);
  n_open = count_open ();
  g_assert_no_errno (pipe2 (pipes, O_CLOEXEC));
  fd_list_add (&fds, pipes[0]);
  fd_list_add (&fds, open ("/", O_RDONLY | O_CLOEXEC));
  fd_list_add (&fds, pipes[1]);
  g_assert_cmpuint (crossing_check (&fds, &error), ==, 0);
  g_assert_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_NOT_SUPPORTED);
  g_assert_nonnull (strstr (error->message, "Descriptor 1 is a directory"));
  g_assert_null (crossing_new (event, &fds, &again));
  g_assert_cmpstr (again->message, ==, error->message);
  expect_open (n_open);
  sd_event_unref (event);
}

static void
test_read_wrong (void)
{
  static const struct
  {
    const char *name;
    const char *signature;
    unsigned n;
    uint8_t kinds[2];
    const char *tokens[2];
    bool good;
  } cases[] = {
    { "good", "a(ysu)", 1, { 1 }, { TOKEN }, true },
    { "the same twice", "a(ysu)", 2, { 2, 2 }, { TOKEN, TOKEN }, true },
    { "in capitals", "a(ysu)", 1, { 1 }, { "00112233445566778899AABBCCDDEEFF" }, true },
    { "none", "a(ysu)", 0, { 0 }, { NULL }, false },
    { "the same as two kinds", "a(ysu)", 2, { 1, 2 }, { TOKEN, TOKEN }, false },
    { "kind 0", "a(ysu)", 1, { 0 }, { TOKEN }, false },
    { "kind 6", "a(ysu)", 1, { 6 }, { TOKEN }, false },
    { "a short token", "a(ysu)", 1, { 1 }, { "0011" }, false },
    { "a long token", "a(ysu)", 1, { 1 }, { TOKEN "00" }, false },
    { "no token", "a(ysu)", 1, { 1 }, { "" }, false },
    { "no hexadecimal", "a(ysu)", 1, { 1 }, { "0011223344556677x899aabbccddeeff" }, false },
    { "another signature", "a(you)", 1, { 1 }, { TOKEN }, false },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      WireWriter *body = wire_writer_new ();
      size_t mark = wire_writer_begin_array (body, 8);
      g_autoptr (Crossing) crossing = NULL;
      WireMessage call;

      for (unsigned j = 0; j < cases[i].n; j++)
        {
          wire_writer_begin_struct (body);
          wire_writer_byte (body, cases[i].kinds[j]);
          wire_writer_string (body, cases[i].tokens[j]);
          wire_writer_uint32 (body, 0);
        }
      wire_writer_end_array (body, mark);
      call = make_call (body, cases[i].signature);
      crossing = crossing_read (&call);
      g_test_message ("%s", cases[i].name);
      g_assert_cmpint (crossing != NULL, ==, cases[i].good);
      wire_writer_free (body);
    }
}

static void
test_read_too_many (void)
{
  for (unsigned n = LIMIT_MESSAGE_DESCRIPTORS; n <= LIMIT_MESSAGE_DESCRIPTORS + 1; n++)
    {
      WireWriter *body = wire_writer_new ();
      size_t mark = wire_writer_begin_array (body, 8);
      g_autoptr (Crossing) crossing = NULL;
      WireMessage call;

      for (unsigned j = 0; j < n; j++)
        {
          g_autofree char *token = g_strdup_printf ("%032x", j);

          wire_writer_begin_struct (body);
          wire_writer_byte (body, 3);
          wire_writer_string (body, token);
          wire_writer_uint32 (body, 0);
        }
      wire_writer_end_array (body, mark);
      call = make_call (body, CROSSING_SIGNATURE);
      crossing = crossing_read (&call);
      g_assert_cmpint (crossing != NULL, ==, n == LIMIT_MESSAGE_DESCRIPTORS);
      wire_writer_free (body);
    }
}

int
main (int argc, char **argv)
{
  pty_helper_program = g_getenv ("TEST_PTY");
  fd_dispose_prepare ();
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/relay/crossing/across", test_across);
  g_test_add_func ("/relay/crossing/window", test_window);
  g_test_add_func ("/relay/crossing/refused", test_refused);
  g_test_add_func ("/relay/crossing/read-wrong", test_read_wrong);
  g_test_add_func ("/relay/crossing/read-too-many", test_read_too_many);
  return g_test_run ();
}
