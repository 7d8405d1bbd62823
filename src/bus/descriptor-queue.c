/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The descriptors of a connection's messages. */
#include "descriptor-queue.h"

#include "disposal.h"
#include "limit.h"

/* --- In --- */

void
descriptor_inbox_open (DescriptorInbox *inbox, size_t most_beside)
{
  if (inbox->waiting == NULL)
    inbox->waiting = g_array_new (FALSE, FALSE, sizeof (int));
  inbox->most_beside = most_beside;
}

static void
drop (DescriptorInbox *inbox, guint n)
{
  for (guint i = 0; i < n; i++)
    fd_dispose (g_array_index (inbox->waiting, int, i));
  g_array_remove_range (inbox->waiting, 0, n);
}

void
descriptor_inbox_clear (DescriptorInbox *inbox)
{
  fd_list_clear (&inbox->current);
  if (inbox->waiting == NULL)
    return;

  drop (inbox, inbox->waiting->len);
  g_clear_pointer (&inbox->waiting, g_array_unref);
}

ssize_t
descriptor_inbox_read (DescriptorInbox *inbox, Stream *stream, void *data, size_t size)
{
  if (inbox->waiting == NULL)
    return stream_read (stream, data, size);

  return stream_receive (stream, data, size, inbox->waiting, inbox->most_beside);
}

WireVerdict
descriptor_inbox_claim (DescriptorInbox *inbox, const WireHeader *header)
{
  guint n = header->n_descriptors;

  if (inbox->waiting == NULL || n == 0)
    return WIRE_OK;
  if (n > LIMIT_MESSAGE_DESCRIPTORS)
    return WIRE_TOO_MANY_DESCRIPTORS;
  if (n > inbox->waiting->len)
    return WIRE_BAD_DESCRIPTOR;

  for (guint i = 0; i < n; i++)
    fd_list_add (&inbox->current, g_array_index (inbox->waiting, int, i));
  g_array_remove_range (inbox->waiting, 0, n);
  return WIRE_OK;
}

bool
descriptor_inbox_refuse (DescriptorInbox *inbox, const WireHeader *header, size_t header_size,
                         size_t read_size)
{
  if (inbox->waiting == NULL)
    return true;

  inbox->skip = header == NULL;
  if (header != NULL)
    {
      if (header->n_descriptors > inbox->waiting->len)
        return false;
      drop (inbox, header->n_descriptors);
      return true;
    }

  /* One that is larger than what is read at a time fills all that came, so that no descriptor
   * beside it is another message's. */
  if (header_size >= read_size)
    drop (inbox, inbox->waiting->len);
  return inbox->waiting->len == 0;
}

size_t
descriptor_inbox_settle (DescriptorInbox *inbox, bool skipping, bool *ret_fits)
{
  if (inbox->waiting == NULL)
    {
      *ret_fits = true;
      return 0;
    }

  if (skipping && inbox->skip)
    drop (inbox, inbox->waiting->len);
  /* One message may be incomplete, with the next one's beside its last piece. */
  *ret_fits = inbox->waiting->len <= 2 * inbox->most_beside;
  return inbox->waiting->len;
}

/* --- Out --- */

typedef struct
{
  uint64_t position; /* of the byte that they go with, a message's first */
  FdList fds;
} Attachment;

void
descriptor_outbox_clear (DescriptorOutbox *outbox)
{
  if (outbox->entries == NULL)
    return;

  for (guint i = 0; i < outbox->entries->len; i++)
    fd_list_clear (&g_array_index (outbox->entries, Attachment, i).fds);
  g_clear_pointer (&outbox->entries, g_array_unref);
}

void
descriptor_outbox_add (DescriptorOutbox *outbox, size_t queued, FdList *fds)
{
  Attachment attachment = { outbox->written + queued, fd_list_steal (fds) };

  if (outbox->entries == NULL)
    outbox->entries = g_array_new (FALSE, FALSE, sizeof (Attachment));
  g_array_append_val (outbox->entries, attachment);
}

static ssize_t
write_some (DescriptorOutbox *outbox, Stream *stream, const uint8_t *data, size_t size)
{
  GArray *entries = outbox->entries;
  struct iovec vector = { .iov_base = (void *) data, .iov_len = size };
  Attachment *first;
  ssize_t n;

  if (entries == NULL || entries->len == 0)
    return stream_write (stream, &vector, 1);

  first = &g_array_index (entries, Attachment, 0);
  if (first->position > outbox->written)
    {
      vector.iov_len = (size_t) (first->position - outbox->written);
      return stream_write (stream, &vector, 1);
    }

  if (entries->len > 1)
    vector.iov_len = (size_t) (first[1].position - first->position);
  n = stream_send (stream, &vector, 1, &first->fds);
  if (n > 0)
    {
      fd_list_clear (&first->fds);
      g_array_remove_index (entries, 0);
    }
  return n;
}

ssize_t
descriptor_outbox_write (DescriptorOutbox *outbox, Stream *stream, const uint8_t *data, size_t size)
{
  ssize_t n = write_some (outbox, stream, data, size);

  if (n > 0)
    outbox->written += (uint64_t) n;
  return n;
}
