import { type DescFile, toBinary } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt'

/** Serialised `FileDescriptorProto`s of some files and all they import, each once, imports first. */
export function serialisedFileDescriptors(files: readonly DescFile[]): Uint8Array[] {
  const seen = new Map<string, Uint8Array>()
  const visit = (file: DescFile) => {
    if (seen.has(file.proto.name)) return
    for (const dependency of file.dependencies) visit(dependency)
    seen.set(file.proto.name, toBinary(FileDescriptorProtoSchema, file.proto))
  }
  for (const file of files) visit(file)
  return [...seen.values()]
}
