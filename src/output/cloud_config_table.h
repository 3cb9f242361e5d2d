/*
 * The settings of the cloud client: X(field, type, JSON key, environment variable).
 *
 * JSON keys stand in the config file (collectors.cloud), in options.cloud / options.ext.loadimpact
 * and in the server's reply (`config`); types: STRING, BOOL, COUNT (> 0), ID (>= 0), DURATION.
 * Included by cloud_config.h and cloud_config.c.
 */
X(aggregation_period_ns, DURATION, "aggregationPeriod", "K6_CLOUD_AGGREGATION_PERIOD")
X(aggregation_wait_ns, DURATION, "aggregationWaitPeriod", "K6_CLOUD_AGGREGATION_WAIT_PERIOD")
X(flush_timeout_ns, DURATION, "flushTimeout", "SPATE_CLOUD_FLUSH_TIMEOUT")
X(host, STRING, "host", "K6_CLOUD_HOST")
X(max_series_in_batch, COUNT, "maxTimeSeriesInBatch", "K6_CLOUD_MAX_TIME_SERIES_IN_BATCH")
X(name, STRING, "name", "K6_CLOUD_NAME")
X(project_id, ID, "projectID", "K6_CLOUD_PROJECT_ID")
X(push_concurrency, COUNT, "metricPushConcurrency", "K6_CLOUD_METRIC_PUSH_CONCURRENCY")
X(push_interval_ns, DURATION, "metricPushInterval", "K6_CLOUD_METRIC_PUSH_INTERVAL")
X(push_ref_id, STRING, "pushRefID", "K6_CLOUD_PUSH_REF_ID")
X(stop_on_error, BOOL, "stopOnError", "K6_CLOUD_STOP_ON_ERROR")
X(test_run_details, STRING, "testRunDetails", "K6_CLOUD_TEST_RUN_DETAILS")
X(timeout_ns, DURATION, "timeout", "K6_CLOUD_TIMEOUT")
X(token, STRING, "token", "K6_CLOUD_TOKEN")
X(web_app_url, STRING, "webAppURL", "K6_CLOUD_WEB_APP_URL")
