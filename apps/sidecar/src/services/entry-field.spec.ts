import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { GetResponseSchema } from '@perigee/protocol'
import { expect, it } from 'vitest'
import { AnswerBytes } from '../grpc/answer-bytes.ts'
import { EntryField, entryMessage } from './entry-field.ts'

const position = { epoch: 1763848912345002, seq: 1042 }

it('is the entry that protobuf-es writes, of any size, in an answer of its own and in one that is handed on', () => {
  for (const bytes of [0, 1, 127, 128, 20_000, 3_000_000])
    for (const times of [{}, { expiresAtMs: 1763848999999.5 }]) {
      const entry = {
        ...{ key: 'schlüssel', value: new Uint8Array(bytes).fill(7), contentType: 'text/plain' },
        ...{ position, writtenAtMs: 1763848912345.125, ...times },
      }
      const receipt = { region: 'us-east-1', sessionToken: new Uint8Array(24).fill(3) }
      const theirs = create(GetResponseSchema, { entry: entryMessage(entry), receipt })
      const ours = create(GetResponseSchema, { receipt })
      ours.$unknown = [new EntryField(entry)]
      for (const encoded of [
        new AnswerBytes(GetResponseSchema, ours).bytes,
        toBinary(GetResponseSchema, ours),
      ])
        expect(fromBinary(GetResponseSchema, new Uint8Array(encoded))).toEqual(theirs)
    }
})
