import type { Database, Script, Statement } from '../../src/db/database.ts'

export interface StatementCounter {
  readonly database: Database
  /** Every statement that reached the database, in order. */
  readonly statements: Statement[]
  readonly texts: string[]
}

/** Wraps a database and records its statements. */
export function countStatements(database: Database): StatementCounter {
  const statements: Statement[] = []
  const texts: string[] = []

  function* counting<T>(script: Script<T>): Script<T> {
    let step = script.next()
    while (step.done !== true) {
      statements.push(step.value)
      texts.push(step.value.text)
      step = script.next(yield step.value)
    }
    return step.value
  }

  return {
    statements,
    texts,
    database: {
      transaction: (script) => database.transaction(() => counting(script())),
      read: (script) => database.read(() => counting(script())),
      close: () => database.close(),
    },
  }
}
