/*
 * limits - every maximum of the house in one place, each with its reason.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/* base */

/* codec */

/* rt */

/* net, client */

/* metrics */

/* js */

/* output */

/* load */

/* store */

/* server */

#endif
