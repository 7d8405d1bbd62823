/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Positive answers of polkit, kept for a moment. */
#include "reuse.h"

#include <string.h>

#include "limit.h"

struct AuthorityReuse
{
  GHashTable *answers; /* key -> Answer */
  gint64 last_swept;
};

typedef struct
{
  char *bus_name; /* NULL for a process */
  gint64 end;
} Answer;

static void
answer_free (gpointer data)
{
  Answer *answer = data;

  g_free (answer->bus_name);
  g_free (answer);
}

AuthorityReuse *
authority_reuse_new (void)
{
  AuthorityReuse *reuse = g_new0 (AuthorityReuse, 1);

  reuse->answers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, answer_free);
  return reuse;
}

void
authority_reuse_free (AuthorityReuse *reuse)
{
  g_hash_table_unref (reuse->answers);
  g_free (reuse);
}

/* The length in front keeps “ab”, “c” apart from “a”, “bc”. */
static void
append_part (GString *key, const char *part)
{
  g_string_append_printf (key, "%zu:", strlen (part));
  g_string_append (key, part);
}

char *
authority_reuse_key (const AuthorityRequest *request)
{
  const AuthoritySubject *subject = &request->subject;
  GString *key = g_string_new (NULL);

  if (subject->bus_name != NULL)
    append_part (key, subject->bus_name);
  else
    g_string_append_printf (key, "%d,%u,%" G_GUINT64_FORMAT " ", (int) subject->pid,
                            (guint) subject->uid, subject->start_time);

  append_part (key, request->action);
  for (gsize i = 0; request->details != NULL && request->details[i] != NULL; i++)
    append_part (key, request->details[i]);

  return g_string_free (key, FALSE);
}

static gboolean
answer_is_over (gpointer key, gpointer value, gpointer user_data)
{
  return ((Answer *) value)->end <= *(gint64 *) user_data;
}

void
authority_reuse_add (AuthorityReuse *reuse, const char *key, const char *bus_name, gint64 asked)
{
  Answer *answer;

  /* Mostly nobody asks for an answer again. */
  if (asked - reuse->last_swept >= LIMIT_CHECK_REUSE_USEC)
    {
      g_hash_table_foreach_remove (reuse->answers, answer_is_over, &asked);
      reuse->last_swept = asked;
    }
  if (g_hash_table_size (reuse->answers) >= LIMIT_CHECK_REUSE_ENTRIES)
    return;

  answer = g_new0 (Answer, 1);
  answer->bus_name = g_strdup (bus_name);
  answer->end = asked + LIMIT_CHECK_REUSE_USEC;
  g_hash_table_replace (reuse->answers, g_strdup (key), answer);
}

bool
authority_reuse_find (AuthorityReuse *reuse, const char *key, gint64 now)
{
  Answer *answer = g_hash_table_lookup (reuse->answers, key);

  if (answer == NULL)
    return false;
  if (answer->end > now)
    return true;

  g_hash_table_remove (reuse->answers, key);
  return false;
}

void
authority_reuse_clear (AuthorityReuse *reuse)
{
  g_hash_table_remove_all (reuse->answers);
}

static gboolean
answer_is_of (gpointer key, gpointer value, gpointer user_data)
{
  return g_strcmp0 (((Answer *) value)->bus_name, user_data) == 0;
}

void
authority_reuse_forget (AuthorityReuse *reuse, const char *bus_name)
{
  g_hash_table_foreach_remove (reuse->answers, answer_is_of, (gpointer) bus_name);
}
