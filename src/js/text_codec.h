/*
 * text_codec - TextEncoder and TextDecoder (UTF-8) as constructors.
 */
#ifndef JS_TEXT_CODEC_H
#define JS_TEXT_CODEC_H

#include <quickjs.h>

JSValue text_encoder_new(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv);
JSValue text_decoder_new(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv);

#endif
