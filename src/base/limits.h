/*
 * limits - every maximum of the house in one place, each with its reason.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/* A table, aligned by hand. */
/* clang-format off */

/* base */

/* codec */
#define MULTIPART_HEAD_MAX  (16 * 1024) /* headers of one part; k6's have 150 bytes */
#define MULTIPART_PARTS_MAX 1000        /* of one form; k6's have five */

#define METRICSET_NAME_MAX        1024        /* k6 allows 128 for metrics; label names are a script's */
#define METRICSET_LABEL_VALUE_MAX (64 * 1024) /* URLs end up in labels */
#define METRICSET_LABELS_MAX      256         /* labels of one series; k6 has 20 of its own */
#define METRICSET_PERIOD_MAX_S    3600        /* a bucket of an hour shows nothing any more */

#define TAR_NAME_MAX    4096  /* PATH_MAX: no file of a script has a longer name */
#define TAR_ENTRIES_MAX 20000 /* files of one archive; headers cost 512 bytes each */

#define V1_COUNT_MAX         1000000000          /* values of one aggregate */
#define V1_SAMPLE_BYTES_MAX  (256 * 1024)        /* one element; k6's have 400 bytes */
#define V1_SAMPLE_DEPTH_MAX  8                   /* k6's elements are 4 deep */
#define V1_BUCKETS_MAX       1000                /* of one series in one push: 50 minutes */
#define V1_MERGE_BYTES_MAX   (128 * 1024 * 1024) /* metrics, tags and series of one push */
#define V1_HIST_BYTES_MAX    (128 * 1024 * 1024) /* histograms of one push */

/* rt */
#define RT_COROUTINES_MAX   (1 << 20) /* a loop's stacks; 1 TB of address space */
#define RT_STACKS_PER_CHUNK 64        /* stacks of one mapping, 64 MB of address space */
#define RT_STACKS_WARM      64        /* free stacks that keep their pages for the next coroutine */
#define RT_STACKS_COOL      256       /* ... and those that keep the next line's bytes; others: none */
#define RT_STACK_KEEP_BYTES 8192      /* at their top */
#define RT_MPROTECT_GUARDS  4096      /* guard pages of old kernels cost two of 65,530 mappings each */
#define RT_EVENTS_PER_TURN  256       /* of epoll; more wait for the next turn */
#define RT_TIMERS_MAX       (1 << 24) /* a loop's armed timers, its coroutines' among them */
#define RT_OFFLOAD_THREADS  16        /* files and certificates; each may hang on a slow disk */

/* net, client */
#define NET_DNS_HOSTS_MAX        4096                  /* names in the cache; a script may make names up */
#define NET_DNS_THREADS_MAX      16                    /* look-ups at once; those that hang must not hold up others */
#define NET_DNS_ADDRESSES_MAX    16                    /* kept of one name's */
#define NET_HOST_MAX             253                   /* a name's length, by the DNS itself */
#define NET_DIAL_MAX_NS          (30 * NS_PER_S)       /* k6's limit of a dial */
#define TLS_PEM_MAX              (1024 * 1024)         /* a certificate with its chain, or a key */
#define TLS_CHAIN_MAX            16                    /* certificates behind a client's own */
#define TLS_AUTH_MAX             1000                  /* entries of tlsAuth; a handshake may look at all */
#define TLS_SUITES_MAX           2048                  /* text of all 25 names that k6 has */
#define NO_PROXY_MAX             10000                 /* pieces of NO_PROXY; each connection is held against all */
#define PROXY_HEAD_MAX           65536                 /* CONNECT and its answer */
#define URL_TEXT_MAX             (64 * 1024)           /* servers refuse 8 KB; parts of it are held 8 times at most */
#define HTTP_REQUEST_HEAD_MAX    (1024 * 1024)         /* request line and headers: a script may send odd ones */
#define HTTP_HEAD_MAX            (1024 * 1024)         /* a response's headers, interim responses included */
#define HTTP_BODY_MAX            (1024L * 1024 * 1024) /* a response's, before and after decoding */
#define HTTP_BODY_INLINE_MAX     8192                  /* a request body up to this goes out in one write with its head */
#define HTTP_BATCH_MAX           20000                 /* requests of one http.batch() */
#define HTTP_SCRATCH_BYTES       65536                 /* one read from a socket; one such buffer per thread */
#define HTTP_BODY_STEP_BYTES     (1024 * 1024)         /* believed of a Content-Length before bytes have come */
#define HTTP_CONTENT_CODINGS_MAX 8                     /* of one Content-Encoding; k6 has no limit */
#define HTTP2_STREAM_WINDOW      (4 * 1024 * 1024)     /* a response's bytes under way; Go's client has the same */
#define HTTP2_CONN_WINDOW        (1 << 30)             /* likewise, of all responses of a connection */
#define HTTP2_STREAMS_FIRST_MAX  100                   /* at once, until the peer has said how many; Go's */
#define HTTP2_OUT_BYTES          65536                 /* collected for one write; no more is taken from the protocol before */
#define HTTP2_TRIES_MAX          8                     /* of one request, which the peer refused to look at; Go's */
#define HTTP2_CONTINUATIONS_MAX  64                    /* frames of one header block: 1 MB of 16 KB each */
#define HTTP2_FLOOD_ITEMS_MAX    1000                  /* answers to PING and SETTINGS that wait to be sent */
#define COOKIES_PER_JAR_MAX      10000                 /* a browser keeps 3,000 */
#define COOKIE_BYTES_MAX         65536                 /* one Set-Cookie; browsers stop at 4,096 */

/* metrics */
#define METRIC_NAME_MAX     129                   /* k6's: a first character and up to 128 more */
#define METRICS_MAX         4096                  /* distinct metrics of a run */
#define SUBMETRICS_MAX      4096                  /* each sample of the parent is held against all */
#define TAGS_PER_SET_MAX    64                    /* k6 itself sets 18 */
#define TAG_SETS_MAX        100000                /* of a run, those of each worker counted; 1 KB each */
#define TAG_SETS_STREAM_MAX 25000                 /* ... when their series are streamed: 4 KB more each */
#define TAG_SETS_FOLDED_MAX 1000                  /* more in a worker with names of the script's, and without */
#define TAG_STRINGS_MAX     (64 * 1024 * 1024)    /* bytes of tag keys and values of a worker */
#define METRICS_ARENA_MAX   (1024L * 1024 * 1024) /* a worker's sets and series; the run's series */
#define SERIES_MAX          2000000               /* of a run, 16 workers' worth of distinct requests */
#define CHECKS_MAX          10000                 /* of a run: a script has a few dozen */
#define GROUPS_MAX          10000                 /* likewise */
#define SECTIONS_MAX        1000                  /* scenarios and their groups in a full summary */
#define BUCKETS_GAP_MAX     1000                  /* empty periods handed over after a clock jump */
#define THRESHOLDS_MAX      10000                 /* expressions of one run */
#define METADATA_MAX        64                    /* keys of one virtual user's metadata */
#define METADATA_BYTES_MAX  (64 * 1024)           /* of one of them with its value; a trace id has 32 */
#define SAMPLE_ARENA_MAX    (4 * 1024 * 1024)     /* metadata and odd tags in one chunk of samples */

/* js */
#define JS_HEAP_RESERVE_BYTES (64L << 30)                /* address space of a thread's slabs, not memory */
#define JS_FILE_BYTES_MAX     (512L * 1024 * 1024)       /* one script file or open(); it is held in memory */
#define JS_FILES_MAX          20000                      /* modules and opened files; TAR_ENTRIES_MAX */
#define JS_PATH_MAX           4096                       /* PATH_MAX */
#define JS_IMPORT_DEPTH_MAX   250                        /* modules that import each other, in a row: each takes some stack */
#define JS_REMOTE_FILES_MAX   2000                       /* modules from the web; libraries come as a handful */
#define JS_REMOTE_BYTES_MAX   (64L * 1024 * 1024)        /* one of them */
#define JS_TYPESCRIPT_BYTES   (32L * 1024 * 1024)        /* one file with types; parsing takes ten times that */
#define JS_SOURCE_MAP_BYTES   (128L * 1024 * 1024)       /* one source map; those of bundles have a few MB */
#define JS_SOURCE_MAP_PLACES  (16L * 1024 * 1024)        /* mappings of one, 20 bytes each */
#define JS_SOURCE_MAP_SOURCES 100000                     /* files that one speaks of */
#define JS_REMOTE_TIMEOUT_NS  (60 * NS_PER_S)            /* k6's, for one fetch */
#define TYPESCRIPT_STACK_MAX ((size_t)4 << 20)            /* bytes of stack for removing types */
#define JS_NATIVE_STACK_BYTES (64 * 1024)                /* kept free below the script's deepest frame: a TLS handshake */
#define JS_VU_MEMORY_MAX      (1024L * 1024 * 1024)      /* of one VU's script, unless said otherwise */
#define JS_TIMERS_MAX         1000000                    /* of one VU */
#define JS_TIMER_MS_MAX       (365.0 * 24 * 3600 * 1000) /* setTimeout(); a year is for ever */
#define JS_REJECTED_MAX       1000                       /* rejections that are told apart */
#define JS_TAGS_MAX           1024                       /* tags of one call; sets have TAGS_PER_SET_MAX */
#define JS_TEXT_MAX           (16 * 1024 * 1024)         /* a console line, an error's text */
#define JS_JSON_MAX           (256L * 1024 * 1024)       /* setup data, options, a summary */
#define JS_INSPECT_DEPTH_MAX  32                         /* of objects in one console line */
#define JS_FROZEN_DEPTH_MAX   100000                     /* arrays and objects within each other in shared data */
#define JS_SHARED_ARRAYS_MAX  10000                      /* SharedArrays of a script */
#define JS_SHARED_BYTES_MAX   ((size_t)64 << 30)         /* text of one SharedArray */
#define JS_SHARED_KEYS_MAX    100000000                  /* distinct keys of one; each costs some 80 bytes */
#define JS_SHARED_SHAPES_MAX  512                        /* lists of keys that have models in each VU; 300 bytes each there */
#define JS_SHARED_CACHE_BYTES (64 * 1024)                /* packed bytes of the elements that a VU keeps as values */
#define JS_SHARED_SLOTS_MAX   1024                       /* such elements */
#define JS_BASE64_MAX         (1L << 30)                 /* a string is no longer in QuickJS */
#define JS_CERTIFICATE_BYTES  (4 * 1024 * 1024)          /* PEM text; certificates have a few KB */
#define JS_CHECKS_SEEN_MAX    4096                       /* checks and groups that a VM remembers to have told of */

/* output */
#define SUMMARY_ARENA_MAX      (256 * 1024 * 1024) /* rows and cells of a summary */
#define SAMPLES_BEHIND         (16u << 20)         /* waiting samples past which iterations wait, too */
#define SAMPLES_WAITING_MAX    (64u << 20)         /* ... and past which they are lost */
#define OUTFILE_BLOCK          (64 * 1024)         /* text of a file that is written at once */
#define OUTFILE_TEXT_MAX       (64 * 1024 * 1024)  /* of one chunk of samples: tags may be long */
#define SUMMARY_CELL_MAX       (64 * 1024)         /* a check's name is a script's */
#define CLOUD_SERIES_MAX       4000000             /* series ids of a run; the metrics side folds long before */
#define CLOUD_METRICSET_MAX    (64u << 20)         /* one batch, before and after packing */
#define CLOUD_REPLY_MAX        (1u << 20)          /* an answer of the cloud: some settings, some lines */
#define CLOUD_TOKEN_MAX        1024                /* k6's are 64 to 100 characters */
#define CLOUD_ARCHIVE_MAX      (100 * 1000 * 1000) /* what a cloud takes; larger test data stays here */
#define CLOUD_TEST_NAME_MAX    300                 /* characters of a load test's name, as API v6 has it */
#define CLOUD_SLOW_SENT_MAX    1000                /* of one period, the slowest of all series */
#define CLOUD_SLOW_REQUESTS_MAX 5                  /* of a series and period: enough to see what a percentile hides */
#define CLOUD_LIST_BYTES       (64u << 20)         /* projects or tests of a cloud: 1,000 at a time */
#define CLOUD_LOG_LINES_MAX    1000                /* waiting to be sent; k6 keeps as many */
#define CLOUD_LOG_BYTES_MAX    (4u << 20)          /* of them; what comes on top is counted */
#define CLOUD_V1_PACKAGE_BYTES (8u << 20)          /* JSON of one push; servers take 64 MB */
#define CLOUD_V1_TRAILS_MAX    1000000             /* requests that wait to be aggregated: 72 MB */
#define CLOUD_SPOOL_MEMORY_MAX (64u << 20)         /* an outage of minutes; more goes to a file */
#define CLOUD_SPOOL_FILE_MAX   ((off_t)4 << 30)    /* hours; after that results are lost, and it is said */

/* cmd */
#define CONFIG_FILE_MAX (1u << 20) /* options and tokens; a megabyte is a mistake */
#define REST_CONNECTIONS_MAX 64    /* a thread each; a few people and a script ask */

/* load */
#define LOAD_VUS_MAX           1000000      /* planned virtual users: a typing mistake, not a test */
#define LOAD_WORKERS_MAX       256          /* threads; more than any machine's cores */
#define LOAD_WINDOWS_MAX       20000000     /* starts of virtual users by ramps: 48 bytes each */
#define LOAD_SEGMENTS_MAX      200          /* parts of an execution segment sequence */
#define LOAD_SEGMENT_CYCLE_MAX 1000000      /* common denominator of the parts' lengths */
#define LOAD_OPTIONS_BYTES     (64u << 20)  /* of all option layers; scripts may make big lists */
#define LOAD_SCRIPT_BYTES      (64u << 20)  /* script read from stdin, config file */
#define LOAD_LOCAL_IPS_MAX     65536        /* source addresses: one private class B */
#define LOAD_JSON_BYTES        (256u << 20) /* setup data, summary data */

/* cmd */
#define CMD_ARCHIVE_BYTES  ((size_t)1 << 30) /* a test's archive, or a script on standard input */
#define CMD_HELP_BYTES     (1u << 20)  /* a help text, the arguments of a small command */
#define CMD_TEMPLATE_BYTES (1u << 20)  /* a script to start from */
#define CMD_PROGRESS_BYTES (4u << 20)  /* the progress block: a line a scenario */
#define CMD_LOKI_BYTES     ((size_t)64 << 20) /* log lines that wait for a push */
#define CMD_LOKI_REPLY_BYTES (64u << 10) /* what a Loki says of a push */
#define LOKI_TIMEOUT_NS    (5 * NS_PER_S) /* of one push; the end of the program waits for the last */
#define CMD_LOG_LINE_BYTES (16u << 20) /* one log line: a script may log a whole body */

/* store */
#define STORE_PATH_MAX         1200                /* folder of at most a thousand bytes and a file in it */
#define STORE_BUSY_TIMEOUT_MS  5000                /* another process looks into the file */
#define STORE_VALUE_MAX        (256 * 1024 * 1024) /* one SQLite value: options, blobs */
#define STORE_OPEN_RUNS_MAX    512                 /* run files open at once; about 0.6 MB each */
#define STORE_RUN_DESCRIPTORS  5                   /* of an open run file: two connections, WAL */
#define STORE_SERIES_MAX       1000000             /* series of one run */
#define STORE_SERIES_KNOWN_MAX 100000              /* of them in memory, by their labels: 40 MB */
#define STORE_TIME_MIN_S       INT64_C(946684800)  /* a value of before 2000 is of a broken clock */
#define STORE_TIME_MAX_S       INT64_C(4102444800) /* likewise of 2100 and later */
#define STORE_METRICS_MAX      10000               /* metrics of one run */
#define STORE_LIST_MAX         1000                /* rows of one page of a list, as k6's API has it */
#define STORE_ARENA_MAX        (64 * 1024 * 1024)  /* one answer of the store */
#define STORE_HISTORY_MAX      64                  /* states of one run */
#define STORE_THRESHOLDS_MAX   1000                /* of one run */
#define STORE_LABELS_BYTES_MAX (1024 * 1024)       /* labels of one series together */
#define STORE_REQUESTS_MAX     100000              /* single requests kept of one run: the slowest */
#define STORE_LOG_LINES_MAX    100000              /* kept of one run's log */
#define STORE_LOG_BYTES_MAX    (64 * 1024 * 1024)  /* likewise */
#define STORE_PROJECT_ID_MAX   1000000000          /* that a client may choose; others follow, in k6's 32 bits */
#define STORE_PROJECTS_MAX     1000                /* as k6's API has it */
#define STORE_LABEL_KEYS_MAX   100                 /* likewise */
#define STORE_LABELS_MAX       30                  /* of one project, likewise */
#define STORE_LABEL_PAIRS_MAX  500                 /* different labels of all projects, likewise */
#define STORE_USERS_MAX        2000                /* of one server: a company */
#define STORE_TOKENS_MAX       4000                /* all are compared at each request */
#define STORE_USER_TOKENS_MAX  100                 /* of one user */
#define STORE_SERVICE_TOKENS_MAX 1000              /* of one server */
#define STORE_USER_SESSIONS_MAX  100               /* browsers of one user; older sessions end */
#define STORE_GRANTS_MAX       1000                /* roles of one user: a role in each project */
#define STORE_AUDIT_MAX        100000              /* deeds kept; the oldest go */
#define STORE_AUDIT_TEXT_MAX 512 /* of a name or a detail there */
#define STORE_VUS_MAX          1000000000          /* that a run may announce */
#define STORE_DURATION_MAX_S   (10000 * 24 * 3600) /* likewise */
#define STORE_KEY_MAX          128                 /* idempotency key; k6 sends 16 */
#define QUERY_TEXT_MAX         8192                /* a query or a selector */
#define QUERY_POINTS_MAX       20000               /* points of one series: 16 h of 3 s buckets */
#define QUERY_SERIES_MAX       20000               /* series of one answer */
#define QUERY_DEPTH_MAX        4                   /* aggregators around each other */
#define QUERY_LABELS_MAX       32                  /* names in one by (...) */
#define QUERY_MATCHERS_MAX     32                  /* matchers of one selector */
#define QUERY_REGEX_STEPS_MAX  100000              /* steps of one regular expression on one value */

/* server */
#define SERVER_JSON_BODY_MAX    (8 * 1024 * 1024)   /* options of a test, thresholds */
#define SERVER_PUSH_BODY_MAX    (16 * 1024 * 1024)  /* packed; 1,000 series of k6 take 0.2 MB */
#define SERVER_PUSH_MAX         (64 * 1024 * 1024)  /* unpacked */
#define SERVER_MERGED_MAX       (256 * 1024 * 1024) /* a push of v1 as a MetricSet */
#define SERVER_ARCHIVE_MAX      (100 * 1000 * 1000) /* as the hosted cloud has it */
#define SERVER_IGNORED_MAX      (64 * 1024 * 1024)  /* of a body whose answer is settled */
#define SERVER_REQUEST_BYTES    (64 * 1024 * 1024)  /* what one request needs besides its bodies */
#define SERVER_REPLY_BYTES      (256 * 1024 * 1024) /* an archive, a wide query */
#define SERVER_DESCRIPTORS      8192                /* asked of the system: run files and connections */
#define SERVER_CONNECTIONS_MAX  1000
#define SERVER_PER_IP_MAX       500                 /* a proxy in front is one address */
#define SERVER_CONNECTION_BYTES (64 * 1024)         /* request line and headers */
#define SERVER_PATIENCE_S       30                  /* of a request's head, and of a body besides its bytes */
#define SERVER_BYTES_A_SECOND   4096                /* a client slower than that is cut off */
#define SERVER_IDLE_S           90                  /* of a connection; live events write sooner */
#define SERVER_EVENTS_MAX       256                 /* live streams at once */
#define SERVER_EVENT_BYTES      (256 * 1024)        /* unread events of one stream */
#define SERVER_LINKS_MAX        64                  /* one-time links open at once */
#define SERVER_LOG_LINE_MAX     10000               /* of a line; k6 cuts there too */
#define SERVER_TAILS_MAX        256                 /* clients that follow a log at once */
#define SERVER_TAIL_LINES       200                 /* of one message to such a client */
#define SERVER_LOGINS_MAX       20                  /* failed sign-ins in SERVER_LOGIN_WINDOW_S */
#define SERVER_LOGIN_WINDOW_S   60
#define SERVER_ACCOUNT_LOGINS_MAX 10                /* of one account, from wherever, in the next line's time */
#define SERVER_ACCOUNT_WINDOW_S   300
#define SERVER_QUOTA_TICK_S 1 /* so much may a run pass its limit */
#define SERVER_PASSWORD_MIN     8                   /* characters; what NIST asks for at least */
#define SERVER_PASSWORD_MAX     1024                /* a sentence, not a file */
#define SERVER_PASSWORDS_WAITING_MAX 32             /* some 20 ms each */
#define SERVER_EMAIL_MAX        254                 /* by RFC 5321 */
#define SERVER_NAME_MAX         200                 /* of a user or a token */

#endif
