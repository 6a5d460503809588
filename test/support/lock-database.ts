import { Sqlite } from '../../src/db/sqlite/driver.ts'

export interface DatabaseLock {
  release(): void
}

/** Takes the write lock of a database file, as another process would. Reads go on. */
export function lockDatabase(path: string): DatabaseLock {
  const connection = new Sqlite(path)
  connection.exec('begin immediate')
  return {
    release() {
      if (!connection.open) return
      connection.exec('rollback')
      connection.close()
    },
  }
}
