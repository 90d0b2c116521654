export * from './codec/index.ts'
export { serialisedFileDescriptors } from './file-descriptors.ts'
export { file_google_rpc_error_details } from './gen/google/rpc/error_details_pb.ts'
export * from './gen/grpc/health/v1/health_pb.ts'
export * from './gen/perigee/internal/v1/peer_pb.ts'
export * from './gen/perigee/v1/cache_pb.ts'
export * from './gen/perigee/v1/cluster_pb.ts'
export * from './gen/perigee/v1/common_pb.ts'
export * from './gen/perigee/v1/multiplex_pb.ts'
export * from './gen/perigee/v1/search_pb.ts'
export * from './gen/perigee/v1/semantic_pb.ts'
export { type MultiplexConnection, MultiplexRoute } from './multiplex-route.ts'
export {
  type CallEnd,
  HEAD_BYTES_MAX,
  type MultiplexStream,
  type StreamCall,
  type StreamError,
  wireTimeout,
} from './multiplex-stream.ts'
export { refusedStream } from './refused-stream.ts'
export {
  type GrpcServiceDefinition,
  type GrpcServiceHandlers,
  grpcServiceDefinition,
} from './service-definition.ts'
export {
  decodeStatus,
  decodeStatusDetails,
  ERROR_DOMAIN,
  encodeStatusDetails,
  type FieldViolation,
  STATUS_DETAILS_KEY,
  type StatusDetails,
} from './status-details.ts'
