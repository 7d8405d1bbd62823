/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of QMP, good ones and those that a QEMU in a guest's hands may send. */
#include "qmp-message.h"

#include <string.h>

#include "limit.h"

static const struct
{
  const char *line;
  QmpMessageKind kind;
  gint64 id;
  const char *text, *status;
} good[] = {
  { "{\"QMP\":{\"version\":{},\"capabilities\":[\"oob\"]}}", QMP_GREETING, 0, NULL, NULL },
  { "{\"return\":{},\"id\":7}", QMP_RETURN, 7, NULL, NULL },
  { "{\"return\":{\"status\":\"paused\",\"running\":false},\"id\":8}", QMP_RETURN, 8, NULL,
    "paused" },
  { "{\"return\":{\"status\":5},\"id\":9}", QMP_RETURN, 9, NULL, NULL },
  { "{\"id\":3,\"error\":{\"class\":\"GenericError\",\"desc\":\"no\"}}", QMP_ERROR, 3, "no", NULL },
  { "{\"error\":{\"class\":\"GenericError\"}}", QMP_ERROR, 0, NULL, NULL },
  { "{\"event\":\"STOP\",\"timestamp\":{\"seconds\":1}}", QMP_EVENT, 0, "STOP", NULL },
  { "{\"event\":\"\\u001b[31m\"}", QMP_EVENT, 0, "?[31m", NULL },
  { "{\"event\":\"it's /*\"}", QMP_EVENT, 0, "it's /*", NULL },
  { "{\"return\":{},\"id\":\"seven\"}", QMP_RETURN, 0, NULL, NULL },
};

static const char *const bad[] = {
  "",
  "5",
  "[]",
  "null",
  "{}",
  "{\"return\":5,\"id\":1}",
  "{\"return\":[],\"id\":1}",
  "{\"event\":5}",
  "{\"QMP\":5}",
  "{\"event\":\"STOP\"",
  "{\"event\":\"\xff\"}",
  "GET / HTTP/1.1",
  "{'event':'STOP'}",
  "{\"event\":\"STOP\",\"data\":'\"'}",
  "{\"event\":\"STOP\" /* \" */}",
  "{\"event\":\"STOP\"} // \"",
  "/**/{\"event\":\"STOP\"}",
};

static void
test_good (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (QmpMessage) message =
          qmp_message_parse (good[i].line, strlen (good[i].line), &error);

      g_test_message ("%s", good[i].line);
      g_assert_no_error (error);
      g_assert_cmpint (message->kind, ==, good[i].kind);
      g_assert_cmpint (message->id, ==, good[i].id);
      g_assert_cmpstr (message->text, ==, good[i].text);
      g_assert_cmpstr (message->status, ==, good[i].status);
    }
}

static void
expect_refusal (const char *line, gsize size)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (qmp_message_parse (line, size, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
}

static void
test_bad (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    expect_refusal (bad[i], strlen (bad[i]));
  expect_refusal ("{\"event\":\"A\0B\"}", 15);
}

static void
test_depth (void)
{
  for (guint depth = LIMIT_QMP_DEPTH; depth <= LIMIT_QMP_DEPTH + 1; depth++)
    {
      g_autofree char *open = g_strnfill (depth - 1, '[');
      g_autofree char *close = g_strnfill (depth - 1, ']');
      g_autofree char *line =
          g_strdup_printf ("{\"event\":\"[[[\\\"[[\",\"data\":%s%s}", open, close);
      g_autoptr (QmpMessage) message = qmp_message_parse (line, strlen (line), NULL);

      g_assert_cmpint (message != NULL, ==, depth == LIMIT_QMP_DEPTH);
    }
}

/* As deep as a line may be long: the parser must not see it, also where the guard would take the
 * rest for a string and json-glib would not. */
static void
test_deepest (void)
{
  static const char *const beginnings[] = { "", "/*\"*/", "//\"\n", "['\"'," };

  for (gsize i = 0; i < G_N_ELEMENTS (beginnings); i++)
    {
      g_autofree char *line = g_strnfill (LIMIT_QMP_LINE, '[');

      memcpy (line, beginnings[i], strlen (beginnings[i]));
      expect_refusal (line, LIMIT_QMP_LINE);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/host/qmp-message/good", test_good);
  g_test_add_func ("/host/qmp-message/bad", test_bad);
  g_test_add_func ("/host/qmp-message/depth", test_depth);
  g_test_add_func ("/host/qmp-message/deepest", test_deepest);
  return g_test_run ();
}
