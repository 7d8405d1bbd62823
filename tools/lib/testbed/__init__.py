# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tools share: the test host, its roots, the build, and how to report progress."""
