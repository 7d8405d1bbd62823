/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An identity's text: what is read is written again byte for byte, so nothing was overlooked. */
#include <string.h>

#include "fuzz.h"
#include "identity.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Identity) identity = identity_from_text ((const char *) data, size, &error);

  fuzz_require ((identity == NULL) == (error != NULL));
  if (identity != NULL)
    {
      gsize again_size;
      char *again = identity_to_text (identity, &again_size);

      fuzz_require (again_size == size && memcmp (again, data, size) == 0);
      identity_text_free (again);
    }

  return 0;
}
