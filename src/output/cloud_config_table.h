/*
 * The settings of the cloud client: X(field, type, JSON key, environment variable or NULL).
 *
 * JSON keys stand in the config file (collectors.cloud), some of them in options.cloud /
 * options.ext.loadimpact, and in the server's reply (`config`); types: STRING (one line), TEXT,
 * BOOL, COUNT (> 0), ID (>= 0), DURATION, REAL (>= 0).  Y: settings that only stream version 1 has.
 * Included by cloud_config.h and cloud_config.c.
 */
X(aggregation_period_ns, DURATION, "aggregationPeriod", "K6_CLOUD_AGGREGATION_PERIOD")
X(aggregation_wait_ns, DURATION, "aggregationWaitPeriod", "K6_CLOUD_AGGREGATION_WAIT_PERIOD")
X(api_version, COUNT, "apiVersion", "K6_CLOUD_API_VERSION")
X(default_project_id, ID, "defaultProjectID", NULL)
X(flush_timeout_ns, DURATION, "flushTimeout", "SPATE_CLOUD_FLUSH_TIMEOUT")
X(host, STRING, "host", "K6_CLOUD_HOST")
X(host_v6, STRING, "hostv6", "K6_CLOUD_HOST_V6")
X(logs_tail_url, STRING, "logsTailURL", "K6_CLOUD_LOGS_TAIL_URL")
X(max_samples_in_package, COUNT, "maxMetricSamplesPerPackage",
  "K6_CLOUD_MAX_METRIC_SAMPLES_PER_PACKAGE")
X(max_series_in_batch, COUNT, "maxTimeSeriesInBatch", "K6_CLOUD_MAX_TIME_SERIES_IN_BATCH")
X(name, STRING, "name", "K6_CLOUD_NAME")
X(no_compress, BOOL, "noCompress", "K6_CLOUD_NO_COMPRESS")
X(note, TEXT, "note", NULL)
X(project_id, ID, "projectID", "K6_CLOUD_PROJECT_ID")
X(push_concurrency, COUNT, "metricPushConcurrency", "K6_CLOUD_METRIC_PUSH_CONCURRENCY")
X(push_interval_ns, DURATION, "metricPushInterval", "K6_CLOUD_METRIC_PUSH_INTERVAL")
X(push_ref_id, STRING, "pushRefID", "K6_CLOUD_PUSH_REF_ID")
X(slow_requests, ID, "slowRequests", "SPATE_CLOUD_SLOW_REQUESTS")
X(stack_id, ID, "stackID", "K6_CLOUD_STACK_ID")
X(stack_url, STRING, "stackURL", "K6_CLOUD_STACK_URL")
X(stop_on_error, BOOL, "stopOnError", "K6_CLOUD_STOP_ON_ERROR")
X(test_run_details, STRING, "testRunDetails", "K6_CLOUD_TEST_RUN_DETAILS")
X(timeout_ns, DURATION, "timeout", "K6_CLOUD_TIMEOUT")
X(token, STRING, "token", "K6_CLOUD_TOKEN")
/* Taken for k6's sake: no traces are sent. */
X(traces_enabled, BOOL, "tracesEnabled", "K6_CLOUD_TRACES_ENABLED")
X(traces_host, STRING, "tracesHost", "K6_CLOUD_TRACES_HOST")
X(traces_push_concurrency, COUNT, "tracesPushConcurrency", "K6_CLOUD_TRACES_PUSH_CONCURRENCY")
X(traces_push_interval_ns, DURATION, "tracesPushInterval", "K6_CLOUD_TRACES_PUSH_INTERVAL")
X(web_app_url, STRING, "webAppURL", "K6_CLOUD_WEB_APP_URL")

Y(calc_interval_ns, DURATION, "aggregationCalcInterval", "K6_CLOUD_AGGREGATION_CALC_INTERVAL")
Y(min_samples, COUNT, "aggregationMinSamples", "K6_CLOUD_AGGREGATION_MIN_SAMPLES")
Y(outlier_algo_threshold, COUNT, "aggregationOutlierAlgoThreshold",
  "K6_CLOUD_AGGREGATION_OUTLIER_ALGO_THRESHOLD")
Y(outlier_iqr_radius, REAL, "aggregationOutlierIqrRadius",
  "K6_CLOUD_AGGREGATION_OUTLIER_IQR_RADIUS")
Y(outlier_iqr_coef_lower, REAL, "aggregationOutlierIqrCoefLower",
  "K6_CLOUD_AGGREGATION_OUTLIER_IQR_COEF_LOWER")
Y(outlier_iqr_coef_upper, REAL, "aggregationOutlierIqrCoefUpper",
  "K6_CLOUD_AGGREGATION_OUTLIER_IQR_COEF_UPPER")
Y(skip_outlier_detection, BOOL, "aggregationSkipOutlierDetection",
  "K6_CLOUD_AGGREGATION_SKIP_OUTLIER_DETECTION")
