import { DatabaseUnavailableError, type Database, type Script } from '../../src/db/database.ts'
import type { Life } from './life.ts'
import { never } from './world.ts'

/**
 * Connects a process to the database. The process may die around any commit, and the database fails
 * at times.
 */
export function linkDatabase(inner: Database, life: Life): Database {
  const { world } = life

  async function transaction<T>(script: () => Script<T>): Promise<T> {
    if (!life.isAlive()) return never()
    if (world.hits('databaseUnavailable')) throw new DatabaseUnavailableError('simulated')
    const isDue = life.isDueAt('before commit')
    try {
      const result = await inner.transaction(() => (isDue ? dying : living)(script, life))
      world.observer.checkStock(`after a commit of ${life.name}`)
      return life.diesAt('after commit') ? await never() : result
    } catch (error) {
      if (!life.isAlive()) return never()
      throw error
    }
  }

  return {
    transaction,
    async read(script) {
      if (!life.isAlive()) return never()
      if (world.hits('databaseUnavailable')) throw new DatabaseUnavailableError('simulated')
      const result = await inner.read(script)
      return life.isAlive() ? result : never()
    },
    close: () => inner.close(),
  }
}

const dead = (): Error => new Error('killed before its commit')

/** Stops a script that waited for its turn when its process died. */
function* living<T>(script: () => Script<T>, life: Life): Script<T> {
  if (!life.isAlive()) throw dead()
  return yield* script()
}

/** Runs all statements of the script and then dies, so that nothing commits them. */
function* dying<T>(script: () => Script<T>, life: Life): Script<T> {
  if (life.isAlive()) yield* script()
  life.die('before commit')
  throw dead()
}
