/*
 * idna - names of hosts in other alphabets, as the DNS and HTTP have them ("xn--bcher-kva").
 */
#ifndef CODEC_IDNA_H
#define CODEC_IDNA_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>

/* True when there is something to do: a byte beyond ASCII. */
bool idna_is_needed(struct str host);

/* Appends what is looked up: each label mapped (small letters, UTS 46, nontransitional) and in
 * Punycode; in Punycode alone when there is no such mapping.  False: it is no name, and nothing was
 * appended. */
bool idna_append_lookup(struct buf *b, struct str host);

/* Appends each label in Punycode as it is, without mapping: what Go writes as the Host header.
 * False, and nothing appended, for what isn't UTF-8 or too long. */
bool idna_append_punycode(struct buf *b, struct str host);

#endif
