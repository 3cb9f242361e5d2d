/*
 * suggest - how far a mistyped word is from a known one.  Pure.
 */
#ifndef CMD_SUGGEST_H
#define CMD_SUGGEST_H

#include "base/str.h"

#include <stddef.h>

enum { SUGGEST_DISTANCE_MAX = 2, SUGGEST_WORD_MAX = 40 };

/* Letters to change, add or leave out so that `a` becomes `b`, case ignored; 1 when `b` begins with
 * `a`, which has three letters or more.  SIZE_MAX when one is longer than SUGGEST_WORD_MAX. */
size_t suggest_distance(struct str a, struct str b);

#endif
