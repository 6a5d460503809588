import { DatabaseUnavailableError, type Database } from '../database.ts'

/** A database that can be closed to everybody for a stated reason, while its file is checked or when it is lost. */
export interface GuardedDatabase extends Database {
  /** Every transaction and read is refused with this reason from now on. */
  refuse(reason: string): void
  /** Takes the refusal back. */
  admit(): void
  /** Undefined when it is open. */
  refusal(): string | undefined
}

/**
 * Guards `database`. `findLoss` says why the file is no longer the one that was opened; it is asked after each
 * commit too, so that nobody is told of a commit that went into a file that is gone.
 */
export function guardDatabase(
  database: Database,
  findLoss: () => string | undefined = () => undefined,
): GuardedDatabase {
  let reason: string | undefined

  function assertAdmitted(): void {
    if (reason !== undefined) throw new DatabaseUnavailableError(reason)
  }

  return {
    async transaction(script) {
      assertAdmitted()
      const result = await database.transaction(script)
      reason ??= findLoss()
      assertAdmitted()
      return result
    },
    async read(script) {
      assertAdmitted()
      return database.read(script)
    },
    close: () => database.close(),
    refuse(why) {
      reason = why
    },
    admit() {
      reason = undefined
    },
    refusal: () => reason,
  }
}
