/*
 * text_codec - TextEncoder and TextDecoder (UTF-8; UTF-16 to read): the classes, made at each call.
 */
#ifndef JS_TEXT_CODEC_H
#define JS_TEXT_CODEC_H

#include <quickjs.h>

JSValue text_encoder_class(JSContext *ctx);
JSValue text_decoder_class(JSContext *ctx);

#endif
