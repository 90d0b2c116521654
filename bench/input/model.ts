/** The model that all indexes of the bench are pinned to. */
export const MODEL = { id: 'sentence-transformers/all-MiniLM-L6-v2', revision: 'int8' }
