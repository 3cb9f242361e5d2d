/*
 * limits - every maximum of the house in one place, each with its reason.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/* base */

/* codec */
#define METRICSET_NAME_MAX        1024          /* k6 allows 128 for metrics; label names are a script's */
#define METRICSET_LABEL_VALUE_MAX (64 * 1024)   /* URLs end up in labels */
#define METRICSET_LABELS_MAX      256           /* labels of one series; k6 has 20 of its own */
#define METRICSET_PERIOD_MAX_S    3600          /* a bucket of an hour shows nothing any more */

#define TAR_NAME_MAX              4096          /* PATH_MAX: no file of a script has a longer name */
#define TAR_ENTRIES_MAX           20000         /* files of one archive; headers cost 512 bytes each */

/* rt */

/* net, client */

/* metrics */

/* js */

/* output */

/* load */

/* store */

/* server */

#endif
