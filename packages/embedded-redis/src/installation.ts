/** A redis-server with search, ready to run. */
export interface RedisInstallation {
  readonly serverPath: string
  /** The search module to load; undefined when the server has it built in. */
  readonly searchModulePath: string | undefined
  /** Such as `8.2.3`. */
  readonly version: string
  /** Where it comes from, for people: an environment variable, the PATH, or the cache folder. */
  readonly source: string
}
