/*
 * options_table - single-valued options that text can set: by variable (load/options_env.c), by
 * flag (cmd/flags), by JSON (load/options_json.c).
 *
 * OPTION(id, field, JSON name or NULL, variable or NULL, name in messages, kind)
 *
 * Included by load/options.h and load/options*.c, each with its own OPTION().
 */
/* clang-format off */
OPTION(PAUSED, paused, "paused", "K6_PAUSED", "Paused", BOOL)
OPTION(VUS, vus, "vus", "K6_VUS", "VUs", INT)
OPTION(DURATION, duration, "duration", "K6_DURATION", "Duration", DUR)
OPTION(ITERATIONS, iterations, "iterations", "K6_ITERATIONS", "Iterations", INT)
OPTION(STAGES, stages, NULL, "K6_STAGES", "Stages", STAGES)
OPTION(EXECUTION_SEGMENT, execution_segment, "executionSegment", NULL, "ExecutionSegment", STR)
OPTION(EXECUTION_SEGMENT_SEQUENCE, execution_segment_sequence, "executionSegmentSequence", NULL, "ExecutionSegmentSequence", STR)
OPTION(NO_SETUP, no_setup, "noSetup", "K6_NO_SETUP", "NoSetup", BOOL)
OPTION(SETUP_TIMEOUT, setup_timeout, "setupTimeout", "K6_SETUP_TIMEOUT", "SetupTimeout", DUR)
OPTION(NO_TEARDOWN, no_teardown, "noTeardown", "K6_NO_TEARDOWN", "NoTeardown", BOOL)
OPTION(TEARDOWN_TIMEOUT, teardown_timeout, "teardownTimeout", "K6_TEARDOWN_TIMEOUT", "TeardownTimeout", DUR)
OPTION(HANDLE_SUMMARY_TIMEOUT, handle_summary_timeout, "handleSummaryTimeout", "K6_HANDLE_SUMMARY_TIMEOUT", "HandleSummaryTimeout", DUR)
OPTION(RPS, rps, "rps", "K6_RPS", "RPS", INT)
OPTION(DNS, dns_ttl, NULL, "K6_DNS", "DNS", DNS)
OPTION(MAX_REDIRECTS, max_redirects, "maxRedirects", "K6_MAX_REDIRECTS", "MaxRedirects", INT)
OPTION(USER_AGENT, user_agent, "userAgent", "K6_USER_AGENT", "UserAgent", STR)
OPTION(BATCH, batch, "batch", "K6_BATCH", "Batch", INT)
OPTION(BATCH_PER_HOST, batch_per_host, "batchPerHost", "K6_BATCH_PER_HOST", "BatchPerHost", INT)
OPTION(HTTP_DEBUG, http_debug, "httpDebug", "K6_HTTP_DEBUG", "HTTPDebug", STR)
OPTION(INSECURE_SKIP_TLS_VERIFY, insecure_skip_tls_verify, "insecureSkipTLSVerify", "K6_INSECURE_SKIP_TLS_VERIFY", "InsecureSkipTLSVerify", BOOL)
OPTION(THROW, throw_errors, "throw", "K6_THROW", "Throw", BOOL)
OPTION(BLACKLIST_IPS, blacklist_ips, "blacklistIPs", "K6_BLACKLIST_IPS", "BlacklistIPs", STRS)
OPTION(BLOCK_HOSTNAMES, block_hostnames, "blockHostnames", "K6_BLOCK_HOSTNAMES", "BlockedHostnames", STRS)
OPTION(NO_CONNECTION_REUSE, no_connection_reuse, "noConnectionReuse", "K6_NO_CONNECTION_REUSE", "NoConnectionReuse", BOOL)
OPTION(NO_VU_CONNECTION_REUSE, no_vu_connection_reuse, "noVUConnectionReuse", "K6_NO_VU_CONNECTION_REUSE", "NoVUConnectionReuse", BOOL)
OPTION(MIN_ITERATION_DURATION, min_iteration_duration, "minIterationDuration", "K6_MIN_ITERATION_DURATION", "MinIterationDuration", DUR)
OPTION(SUMMARY_TREND_STATS, summary_trend_stats, "summaryTrendStats", "K6_SUMMARY_TREND_STATS", "SummaryTrendStats", STRS)
OPTION(SUMMARY_TIME_UNIT, summary_time_unit, "summaryTimeUnit", "K6_SUMMARY_TIME_UNIT", "SummaryTimeUnit", STR)
OPTION(SYSTEM_TAGS, system_tags, "systemTags", "K6_SYSTEM_TAGS", "SystemTags", STRS)
OPTION(TAGS, tags, NULL, "K6_TAGS", "RunTags", PAIRS)
OPTION(METRIC_SAMPLES_BUFFER_SIZE, metric_samples_buffer_size, "metricSamplesBufferSize", "K6_METRIC_SAMPLES_BUFFER_SIZE", "MetricSamplesBufferSize", INT)
OPTION(NO_COOKIES_RESET, no_cookies_reset, "noCookiesReset", "K6_NO_COOKIES_RESET", "NoCookiesReset", BOOL)
OPTION(DISCARD_RESPONSE_BODIES, discard_response_bodies, "discardResponseBodies", "K6_DISCARD_RESPONSE_BODIES", "DiscardResponseBodies", BOOL)
OPTION(CONSOLE_OUTPUT, console_output, NULL, "K6_CONSOLE_OUTPUT", "ConsoleOutput", STR)
OPTION(LOCAL_IPS, local_ips, NULL, "K6_LOCAL_IPS", "LocalIPs", STR)
OPTION(LINGER, linger, NULL, "K6_LINGER", "Linger", BOOL)
OPTION(NO_USAGE_REPORT, no_usage_report, NULL, "K6_NO_USAGE_REPORT", "NoUsageReport", BOOL)
OPTION(OUT, out, NULL, "K6_OUT", "Out", STRS)
/* clang-format on */
