import type { EmbeddingModel } from '@perigee/sdk'
import { InvalidArgumentError } from 'commander'

/** A model as people type it: the revision comes after the last @. */
export function parseModel(text: string): EmbeddingModel {
  const at = text.lastIndexOf('@')
  const [id, revision] = [text.slice(0, Math.max(at, 0)), text.slice(at + 1)]
  if (id && revision) return { id, revision }
  throw new InvalidArgumentError('A model is its id and its revision: org/model@1.')
}
