/*
 * samples - the way of single samples from the workers to the outputs that want each of them.
 *
 * One thread of its own takes the workers' chunks in the order in which they come and gives each to
 * every such output, whose samples() may block on its file.  What waits is bounded: past a first
 * mark sample_stream_behind() is true, and virtual users wait between iterations until the outputs
 * have caught up, so that nothing is lost and no latency spoilt; past the second (a single
 * iteration can make any number of samples) samples are counted as lost, which is said once when it
 * begins and with their number at the end.
 */
#ifndef OUTPUT_SAMPLES_H
#define OUTPUT_SAMPLES_H

#include "base/attr.h"
#include "metrics/sample.h"
#include "output/output.h"

#include <stdbool.h>
#include <stddef.h>

struct sample_stream;

/* Starts the thread, which uses `outputs` (kept by reference, all started) until
 * sample_stream_stop(). */
NODISCARD int sample_stream_new(const struct output *outputs, size_t len,
                                struct sample_stream **ret);

/* A sample_consumer_fn; `arg` is the stream.  Any thread. */
void sample_stream_put(void *arg, struct sample_chunk *c);

/* True while the outputs have too much to write.  Any thread. */
bool sample_stream_behind(const struct sample_stream *s);

/* Until all is written; on the main loop.  Nothing may be put any more. */
YIELDS void sample_stream_stop(struct sample_stream *s);

/* NULL is fine; must have been stopped. */
void sample_stream_free(struct sample_stream *s);

#endif
