/*
 * api_table - the modules that a script can import.  Included by api_table.c.
 */
#ifdef JS_API
JS_API(js_api_k6)
JS_API(js_api_http)
JS_API(js_api_metrics)
JS_API(js_api_timers)
JS_API(js_api_encoding)
JS_API(js_api_crypto)
JS_API(js_api_data)
JS_API(js_api_execution)
JS_API(js_api_x509)
#endif
