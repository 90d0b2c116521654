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
export {
  CALL_FIELD,
  type CallHead,
  type EntryFields,
  type FrameCall,
  type FrameReply,
  MalformedFrame,
  REPLY_FIELD,
  type RequestFrame,
  RequestFrameWriter,
  type ResponseFrame,
  ResponseFrameWriter,
  readGetRequest,
  readGetResponse,
  readRequestFrame,
  readResponseFrame,
  readSetRequest,
  SetRequestWriter,
} from './multiplex-codec.ts'
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
