import type { Limits } from '@perigee/core'
import type { DeleteAliasRequest, PutAliasRequest } from '@perigee/protocol'
import { invalidField, tooLarge } from '../../status-error.ts'
import { checkDistinct } from './list.ts'
import { checkName } from './name.ts'
import { type WriteChoice, writeChoiceOf } from './options.ts'

/** Indexes that an alias may point at. */
const INDEXES_MAX = 8

/** What a checked PutAlias asks; its indexes still have to exist and be of different models. */
export interface PutAliasInput {
  readonly namespace: string
  readonly name: string
  readonly indexes: readonly string[]
  readonly choice: WriteChoice
}

/** What a checked DeleteAlias asks. */
export interface DeleteAliasInput {
  readonly namespace: string
  readonly name: string
  readonly choice: WriteChoice
}

export function checkPutAlias(request: PutAliasRequest, limits: Limits): PutAliasInput {
  const { namespace, alias, options } = request
  checkName('namespace', namespace)
  if (!alias) throw invalidField('alias', 'is missing')
  const { name, indexes } = alias
  checkName('alias.name', name)
  if (indexes.length === 0) throw invalidField('alias.indexes', 'must name at least one')
  if (indexes.length > INDEXES_MAX) {
    throw tooLarge('alias.indexes', `names ${indexes.length} indexes, at most ${INDEXES_MAX} are taken`)
  }
  for (const [i, index] of indexes.entries()) checkName(`alias.indexes[${i}]`, index)
  checkDistinct(indexes, (i) => `alias.indexes[${i}]`)
  if (indexes.includes(name)) throw invalidField('alias.indexes', 'must not name the alias itself')
  return { namespace, name, indexes, choice: writeChoiceOf(options, limits) }
}

export function checkDeleteAlias(request: DeleteAliasRequest, limits: Limits): DeleteAliasInput {
  const { namespace, name, options } = request
  checkName('namespace', namespace)
  checkName('name', name)
  return { namespace, name, choice: writeChoiceOf(options, limits) }
}
