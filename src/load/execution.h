/*
 * execution - what k6/execution asks of a run: the functions for struct js_host's `execution`.
 *
 * For VMs whose host came from run_host_init(); those with a vu_id are hosts of a struct vu.
 */
#ifndef LOAD_EXECUTION_H
#define LOAD_EXECUTION_H

#include "js/host.h"

extern const struct js_execution_ops execution_ops;

#endif
