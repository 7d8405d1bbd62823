/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One line of QMP, read with suspicion. */
#include "qmp-message.h"

#include <json-glib/json-glib.h>

#include "limit.h"
#include "log.h"

#define TEXT_SIZE 512

void
qmp_message_free (QmpMessage *message)
{
  g_free (message->text);
  g_free (message->status);
  g_free (message);
}

/* json-glib descends by recursion, as deep as the text likes. It also takes comments and strings in
 * single quotes, where brackets and quotes mean something else than here: no QMP has either. */
static gboolean
depth_is_bearable (const char *line, gsize size)
{
  gboolean in_string = FALSE;
  guint depth = 0;

  for (gsize i = 0; i < size; i++)
    if (in_string && line[i] == '\\')
      i++;
    else if (line[i] == '"')
      in_string = !in_string;
    else if (!in_string && (line[i] == '{' || line[i] == '['))
      {
        if (++depth > LIMIT_QMP_DEPTH)
          return FALSE;
      }
    else if (!in_string && (line[i] == '\'' || line[i] == '/'))
      return FALSE;
    else if (!in_string && (line[i] == '}' || line[i] == ']') && depth > 0)
      depth--;

  return TRUE;
}

/* The member, where it is there and of this kind; json-glib's getters complain of any other. */
static JsonObject *
get_object (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

static char *
get_text (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  if (node == NULL || json_node_get_value_type (node) != G_TYPE_STRING)
    return NULL;

  return log_text (json_node_get_string (node), TEXT_SIZE);
}

static gint64
get_id (JsonObject *object)
{
  JsonNode *node = json_object_get_member (object, "id");

  return node != NULL && json_node_get_value_type (node) == G_TYPE_INT64 ? json_node_get_int (node)
                                                                         : 0;
}

static gboolean
read_object (JsonObject *object, QmpMessage *message)
{
  JsonObject *inner;

  if (get_object (object, "QMP") != NULL)
    {
      message->kind = QMP_GREETING;
      return TRUE;
    }

  message->text = get_text (object, "event");
  if (message->text != NULL)
    {
      message->kind = QMP_EVENT;
      return TRUE;
    }

  message->id = get_id (object);
  inner = get_object (object, "error");
  if (inner != NULL)
    {
      message->kind = QMP_ERROR;
      message->text = get_text (inner, "desc");
      return TRUE;
    }

  message->kind = QMP_RETURN;
  inner = get_object (object, "return");
  if (inner != NULL)
    message->status = get_text (inner, "status");
  return inner != NULL;
}

QmpMessage *
qmp_message_parse (const char *line, gsize size, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autoptr (QmpMessage) message = g_new0 (QmpMessage, 1);
  JsonNode *root;

  if (!depth_is_bearable (line, size))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                   "QEMU sent a line that is nested deeper than %d, or no strict JSON",
                   LIMIT_QMP_DEPTH);
      return NULL;
    }

  root = g_utf8_validate (line, (gssize) size, NULL)
                 && json_parser_load_from_data (parser, line, (gssize) size, NULL)
             ? json_parser_get_root (parser)
             : NULL;
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root)
      || !read_object (json_node_get_object (root), message))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                           "QEMU sent a line that is no QMP message");
      return NULL;
    }

  return g_steal_pointer (&message);
}

char *
qmp_command_format (const char *command, gint64 id)
{
  return g_strdup_printf ("{\"execute\":\"%s\",\"id\":%" G_GINT64_FORMAT "}\n", command, id);
}
