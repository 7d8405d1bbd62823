/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A call that nobody makes, to ask rules about. */
#include "call-test.h"

#include <string.h>

#include "body.h"
#include "limit.h"
#include "syntax.h"

struct CallTest
{
  char *name;
  char *path;
  char *interface;
  char *member;
  char *signature;
  WireWriter *body;
  WireMessage message;
};

static const char *
find_problem (const char *name, const char *path, const char *interface, const char *member)
{
  if (!wire_bus_name_is_valid (name) || wire_bus_name_is_unique (name))
    return "the service is not a well-known bus name";
  if (!wire_path_is_valid (path))
    return "the object is not an object path, such as /org/example";
  if (interface[0] != '\0' && !wire_interface_is_valid (interface))
    return "the interface is not an interface's name, such as org.example.Clock";
  if (!wire_member_is_valid (member))
    return "the method is not a method's name, such as Set";

  return NULL;
}

/* What no rule looks at is left out, so that a long list is no long signature. */
static const char *
add_arguments (CallTest *test, const char *const *arguments)
{
  size_t n = 0;

  for (; arguments[n] != NULL && n < CALL_RULE_ARGUMENTS; n++)
    {
      if (!syntax_utf8 (arguments[n], strlen (arguments[n])))
        return "an argument is not UTF-8";
      wire_writer_string (test->body, arguments[n]);
    }

  test->signature = g_strnfill (n, 's');
  return wire_writer_failed (test->body) ? "its arguments are larger than a message can be" : NULL;
}

CallTest *
call_test_new (const char *name, const char *path, const char *interface, const char *member,
               const char *const *arguments, const char **ret_problem)
{
  g_autoptr (CallTest) test = g_new0 (CallTest, 1);
  WireHeader *header = &test->message.header;

  test->body = wire_writer_new ();
  *ret_problem = find_problem (name, path, interface, member);
  if (*ret_problem == NULL)
    *ret_problem = add_arguments (test, arguments);
  if (*ret_problem != NULL)
    return NULL;

  test->name = g_strdup (name);
  test->path = g_strdup (path);
  test->interface = interface[0] != '\0' ? g_strdup (interface) : NULL;
  test->member = g_strdup (member);

  header->byte_order = wire_native_byte_order ();
  header->type = WIRE_METHOD_CALL;
  header->path = test->path;
  header->interface = test->interface;
  header->member = test->member;
  header->destination = test->name;
  header->signature = test->signature;
  test->message.body = wire_writer_data (test->body, &test->message.body_size);
  return g_steal_pointer (&test);
}

void
call_test_free (CallTest *test)
{
  if (test == NULL)
    return;

  wire_writer_free (test->body);
  g_free (test->name);
  g_free (test->path);
  g_free (test->interface);
  g_free (test->member);
  g_free (test->signature);
  g_free (test);
}

CallRuleFit
call_test_explain (const CallTest *test, const CallRule *rule, const CallRuleCaller *caller)
{
  return call_rule_explain (rule, test->name, &test->message, caller);
}
