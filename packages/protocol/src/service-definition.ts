import type { Message, MessageShape } from '@bufbuild/protobuf'
import { type DescMessage, type DescMethod, fromBinary, toBinary } from '@bufbuild/protobuf'
import type { GenService, GenServiceMethods } from '@bufbuild/protobuf/codegenv2'
import type {
  handleBidiStreamingCall,
  handleClientStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  MethodDefinition,
} from '@grpc/grpc-js'

type Shape<D extends DescMessage> = MessageShape<D>

/** grpc-js's method definitions for a service that protobuf-es generated. */
export type GrpcServiceDefinition<M extends GenServiceMethods> = {
  readonly [K in keyof M]: MethodDefinition<Shape<M[K]['input']>, Shape<M[K]['output']>>
}

type Handler<I, O, Kind> = Kind extends 'unary'
  ? handleUnaryCall<I, O>
  : Kind extends 'server_streaming'
    ? handleServerStreamingCall<I, O>
    : Kind extends 'client_streaming'
      ? handleClientStreamingCall<I, O>
      : handleBidiStreamingCall<I, O>

/** grpc-js's handlers for a service that protobuf-es generated. */
export type GrpcServiceHandlers<M extends GenServiceMethods> = {
  readonly [K in keyof M]: Handler<Shape<M[K]['input']>, Shape<M[K]['output']>, M[K]['methodKind']>
}

/**
 * The typed service definition that grpc-js's server and client take, from a service that protobuf-es generated.
 *
 * Unknown fields survive decoding (protobuf-es keeps them in `$unknown`), so a server can refuse them.
 */
export function grpcServiceDefinition<M extends GenServiceMethods>(
  service: GenService<M>,
): GrpcServiceDefinition<M> {
  return Object.fromEntries(
    service.methods.map((m) => [m.localName, methodDefinition(m)]),
  ) as unknown as GrpcServiceDefinition<M>
}

function methodDefinition(method: DescMethod): MethodDefinition<Message, Message> {
  const streams = method.methodKind
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    originalName: method.localName,
    requestStream: streams === 'client_streaming' || streams === 'bidi_streaming',
    responseStream: streams === 'server_streaming' || streams === 'bidi_streaming',
    requestSerialize: serialiser(method.input),
    requestDeserialize: (bytes) => fromBinary(method.input, bytes),
    responseSerialize: serialiser(method.output),
    responseDeserialize: (bytes) => fromBinary(method.output, bytes),
  }
}

function serialiser(schema: DescMessage): (message: Message) => Buffer {
  return (message) => {
    const bytes = toBinary(schema, message)
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }
}
