/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes the corpora's seeds: `make-corpus tests/fuzz`. What fuzzers found lies beside them, as
 * files named find-…. */
#include <glib.h>
#include <glib/gstdio.h>

#include <stdlib.h>
#include <string.h>

#include "conversation-seeds.h"
#include "limit.h"
#include "message.h"
#include "script.h"

#define DRIVER DESTINATION ("org.freedesktop.DBus")
/* As many variants in each other as we take, which libdbus must take in a header field too. */
#define V10 "g'v' g'v' g'v' g'v' g'v' g'v' g'v' g'v' g'v' g'v' "
#define V59 V10 V10 V10 V10 V10 "g'v' g'v' g'v' g'v' g'v' g'v' g'v' g'v' g'v' "
#define CALL(interface, member) PATH ("/a/b") INTERFACE (interface) MEMBER (member)

static const struct
{
  const char *name;
  uint8_t type;
  const char *fields;
  const char *body;
} messages[] = {
  { "hello", WIRE_METHOD_CALL, CALL ("org.freedesktop.DBus", "Hello") DRIVER, "" },
  { "add-match", WIRE_METHOD_CALL, CALL ("org.freedesktop.DBus", "AddMatch") DRIVER SIGNATURE ("s"),
    "s'type=signal'" },
  { "get", WIRE_METHOD_CALL,
    CALL ("org.freedesktop.DBus.Properties", "Get") SENDER (":1.5") SIGNATURE ("ss"),
    "s'a.b' p4 s'C'" },
  { "return-string", WIRE_METHOD_RETURN,
    REPLY_SERIAL (2) SENDER ("org.freedesktop.DBus") DESTINATION (":1.5") SIGNATURE ("s"),
    "s':1.5'" },
  { "return-variant", WIRE_METHOD_RETURN, REPLY_SERIAL (2) SIGNATURE ("v"),
    "g'(sa{sv})' p8 s'a' p4 u24 p8 s'k' g'x' p8 t7" },
  { "error", WIRE_ERROR, REPLY_SERIAL (2) ERROR_NAME ("a.b.Error") SIGNATURE ("s"), "s'why'" },
  { "owner-changed", WIRE_SIGNAL,
    CALL ("org.freedesktop.DBus", "NameOwnerChanged") SENDER ("org.freedesktop.DBus")
        SIGNATURE ("sss"),
    "s'a.b' p4 s'' p4 s':1.7'" },
  { "properties-changed", WIRE_SIGNAL,
    CALL ("org.freedesktop.DBus.Properties", "PropertiesChanged") SIGNATURE ("sa{sv}as"),
    "s'a.b' p4 u18 p8 s'k' g's' p4 s'v' p4 u6 s'i'" },
  { "managed-objects", WIRE_METHOD_RETURN, REPLY_SERIAL (2) SIGNATURE ("a{oa{sa{sv}}}"),
    "u52 p8 s'/a' p4 u36 p8 s'a.b' p4 u20 p8 s'k' g'ab' p4 u4 u1" },
  { "all-types", WIRE_METHOD_CALL, CALL ("a.b", "M") UNIX_FDS (2) SIGNATURE ("ybnqiuxtdsoghv"),
    "y1 p4 u1 q1 q2 u3 u4 p8 t5 t6 t7 s'text' p4 s'/o' g'a{sv}' p4 u1 g'ah' p4 u4 u0" },
  { "arrays", WIRE_METHOD_CALL, CALL ("a.b", "M") SIGNATURE ("ayabanaqaiauaxatadasaoagav"),
    "u1 y1 p4 u4 u1 u2 q1 p4 u2 q1 p4 u4 u1 u4 u1 u8 p8 t1 u8 p8 t1 u8 p8 t1 u6 s'a' p4 u6 s'/' p4 "
    "u3 g's' p4 u4 g'y' y1" },
  { "nested", WIRE_METHOD_CALL, CALL ("a.b", "M") SIGNATURE ("aa(s(yy)av)"), "u4 u0" },
  { "variants", WIRE_METHOD_CALL, CALL ("a.b", "M") SIGNATURE ("v"), "g'v' g'v' g'v' g'y' y1" },
  { "utf8", WIRE_METHOD_CALL, CALL ("a.b", "M") SIGNATURE ("s"),
    "s'plain ascii text, \xc3\xa4\xe2\x82\xac\xf0\x9f\x8f\x96 and more of it'" },
  { "deep", WIRE_METHOD_CALL, CALL ("a.b", "M") " p8 y11 " V59 "g'y' y1" SIGNATURE ("v"),
    V59 "g'y' y1" },
  { "unknown-field", WIRE_METHOD_CALL, CALL ("a.b", "M") " p8 y11 g'a{sv}' p8 u0 p8", "" },
  { "container-field", WIRE_METHOD_CALL, CALL ("a.b", "M") " p8 y10 g'o' s'/a'", "" },
  { "bad-local", WIRE_SIGNAL,
    PATH ("/org/freedesktop/DBus/Local") INTERFACE ("org.freedesktop.DBus.Local") MEMBER ("M"),
    "" },
  { "bad-boolean", WIRE_METHOD_CALL, CALL ("a.b", "M") SIGNATURE ("b"), "u2" },
  { "bad-descriptor", WIRE_METHOD_CALL, CALL ("a.b", "M") SIGNATURE ("h"), "u0" },
  { "bad-trailing", WIRE_METHOD_CALL, CALL ("a.b", "M"), "y0" },
  { "bad-padding", WIRE_METHOD_CALL, CALL ("a.b", "M") SIGNATURE ("yu"), "y1 y1 q0 u1" },
  { "bad-missing", WIRE_SIGNAL, MEMBER ("M") INTERFACE ("a.b"), "" },
};

typedef struct
{
  const char *name;
  const char *text;
} RuleSeed;

static const RuleSeed match_rules[] = {
  { "empty", "" },
  { "all-keys", "type='signal',sender='org.x.y',destination=':1.2',interface='a.b',member='M',"
                "path_namespace='/a',arg0='x',arg1path='/y/',eavesdrop='true'" },
  { "namespace", "path='/a/b', arg0namespace='org.x'" },
  { "quotes", "arg0='it'\\''s',arg1=a','b,arg2='back\\slash'," },
  { "bad-open-quote", "type='signal" },
  { "bad-backslash", "arg0=a\\,eavesdrop='true'" },
  { "bad-number", "arg064='x'" },
};

static const RuleSeed call_rules[] = {
  { "name", "allow a.b" },
  { "all", "ask a.*=a.b.M@/a/* arg0=org.x.y arg1='/y/z' from=group:8" },
  { "any", "deny *=*@/*" },
  { "interface", "allow a.b=a.b.*@/a/b from=machine:team:web" },
  { "user", "deny a.b from=user:1000" },
  { "bad-verdict", "permit a.b" },
  { "bad-quote", "allow a.b arg0='x" },
  { "bad-path", "allow a.b@/a*" },
  { "several", "deny a.b from=user:sue\nallow a.b=a.b.M from=group:wheel\nask *" },
};

/* The first byte says whose state machine, the second how what follows is cut. */
#define SERVER(text) "\0\5" text, sizeof text + 1
#define CLIENT(text) "\1\3" text, sizeof text + 1

static const struct
{
  const char *name;
  const char *bytes;
  gsize size;
} chats[] = {
  { "sd-bus", SERVER ("\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\nl\1") },
  { "gdbus", SERVER ("\0AUTH\r\nAUTH EXTERNAL 30\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n") },
  { "libdbus", SERVER ("\0AUTH EXTERNAL 31303030\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n") },
  { "identity-as-data", SERVER ("\0AUTH EXTERNAL\r\nDATA 30\r\nBEGIN\r\n") },
  { "cancelled", SERVER ("\0AUTH EXTERNAL\r\nCANCEL\r\nAUTH EXTERNAL 30\r\nBEGIN\r\n") },
  { "error", SERVER ("\0AUTH EXTERNAL 30\r\nERROR\r\nAUTH ANONYMOUS\r\n") },
  { "not-expected", SERVER ("\0HELLO\r\nNEGOTIATE_UNIX_FD\r\n") },
  { "bad-begin", SERVER ("\0AUTH EXTERNAL\r\nBEGIN\r\n") },
  { "bad-zero", SERVER ("\0AUTH EXT\0RNAL\r\n") },
  { "bad-start", SERVER ("AUTH EXTERNAL 30\r\n") },
  { "bad-many", SERVER ("\0A\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\n"
                        "A\r\nA\r\nA\r\nA\r\nA\r\n") },
  { "client", CLIENT ("DATA\r\nOK 0123456789abcdef0123456789abcdef\r\nAGREE_UNIX_FD\r\nl\2") },
  { "client-no-descriptors", CLIENT ("DATA\r\nOK 0123\r\nERROR \"no\"\r\n") },
  { "bad-client-rejected", CLIENT ("DATA\r\nREJECTED EXTERNAL\r\n") },
};

static void
write_file (const char *folder, const char *name, const void *data, gsize size)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GError) error = NULL;

  if (!g_file_set_contents (path, data, (gssize) size, &error))
    {
      g_printerr ("Cannot write “%s”: %s\n", path, error->message);
      exit (EXIT_FAILURE);
    }
}

static void
write_messages (const char *folder)
{
  for (guint i = 0; i < G_N_ELEMENTS (messages); i++)
    for (guint order = 0; order < G_N_ELEMENTS (script_byte_orders); order++)
      {
        g_autofree char *name =
            g_strdup_printf ("%s-%c", messages[i].name, script_byte_orders[order]);
        g_autoptr (GByteArray) bytes = script_message (script_byte_orders[order], messages[i].type,
                                                       0, 7, messages[i].fields, messages[i].body);

        write_file (folder, name, bytes->data, bytes->len);
      }
}

/* Each rule with a message behind it. */
static void
write_rules (const char *folder, uint8_t type, const RuleSeed *rules, gsize n_rules)
{
  g_autoptr (GByteArray) message =
      script_message ('l', type, 0, 7, CALL ("a.b", "M") SENDER (":1.7") SIGNATURE ("sso"),
                      "s'org.x.y' p4 s'/y/z' p4 s'/a'");

  for (guint i = 0; i < n_rules; i++)
    {
      g_autoptr (GByteArray) bytes = g_byte_array_new ();

      g_byte_array_append (bytes, (const guint8 *) rules[i].text,
                           (guint) strlen (rules[i].text) + 1);
      g_byte_array_append (bytes, message->data, message->len);
      write_file (folder, rules[i].name, bytes->data, bytes->len);
    }
}

/* One chat more: a line that is as long as one may be. */
static void
write_chats (const char *folder)
{
  g_autoptr (GByteArray) longest = g_byte_array_new ();

  for (guint i = 0; i < G_N_ELEMENTS (chats); i++)
    write_file (folder, chats[i].name, chats[i].bytes, chats[i].size);

  g_byte_array_append (longest, (const guint8 *) "\0\7\0", 3);
  g_byte_array_set_size (longest, 3 + LIMIT_SASL_LINE - 2);
  memset (longest->data + 3, 'A', LIMIT_SASL_LINE - 2);
  g_byte_array_append (longest, (const guint8 *) "\r\n", 2);
  write_file (folder, "longest", longest->data, longest->len);
}

static void
write_conversations (const char *folder, const ConversationSeed *seeds)
{
  for (; seeds->name != NULL; seeds++)
    write_file (folder, seeds->name, seeds->bytes, seeds->size);
}

/* A folder below `parent`, made where it is missing. */
static char *
make_folder (const char *parent, const char *name)
{
  char *folder = g_build_filename (parent, name, NULL);

  g_mkdir_with_parents (folder, 0755);
  return folder;
}

int
main (int argc, char **argv)
{
  g_autofree char *message_folder = NULL, *match_rule_folder = NULL, *call_rule_folder = NULL;
  g_autofree char *sasl_folder = NULL, *bridge_folder = NULL, *agent_folder = NULL;

  if (argc != 2)
    {
      g_printerr ("Usage: make-corpus FOLDER\n");
      return EXIT_FAILURE;
    }

  message_folder = make_folder (argv[1], "corpus-message");
  match_rule_folder = make_folder (argv[1], "corpus-match-rule");
  call_rule_folder = make_folder (argv[1], "corpus-call-rule");
  sasl_folder = make_folder (argv[1], "corpus-sasl");
  bridge_folder = make_folder (argv[1], "corpus-conversation-bridge");
  agent_folder = make_folder (argv[1], "corpus-conversation-agent");
  write_messages (message_folder);
  write_rules (match_rule_folder, WIRE_SIGNAL, match_rules, G_N_ELEMENTS (match_rules));
  write_rules (call_rule_folder, WIRE_METHOD_CALL, call_rules, G_N_ELEMENTS (call_rules));
  write_chats (sasl_folder);
  write_conversations (bridge_folder, bridge_seeds);
  write_conversations (agent_folder, agent_seeds);
  return EXIT_SUCCESS;
}
