import { open } from 'node:fs/promises'
import { createSigner } from 'fast-jwt'
import { systemClock } from '../src/clock.ts'
import { migrate, readMigrations } from '../src/db/migrate.ts'
import { openSqlite } from '../src/db/sqlite/sqlite-database.ts'
import { migrationsFolder } from '../src/holdfast.ts'
import { Sqlite } from '../src/db/sqlite/driver.ts'

/**
 * The files of distinct shoppers with real tokens, made once per run: a database of users that
 * every cell copies, and a file of their tokens that the load generator reads.
 */
export interface ShoppersFiles {
  readonly databasePath: string
  readonly tokensPath: string
}

export const tokenIssuer = 'holdfast'
export const tokenAudience = 'holdfast'
const firstUserId = 1_000_001
const tokenTtlSeconds = 24 * 3_600

/**
 * The uid of a bench user is its id in hex. All are equally long, so the file of tokens needs no
 * separators.
 */
const uidOf = (userId: number): string => userId.toString(16).padStart(32, '0')

/**
 * Makes the files. Returns the token of one more shopper, who only tests whether the shop is open.
 */
export async function makeShoppers(
  files: ShoppersFiles,
  count: number,
  jwtSecret: string,
): Promise<string> {
  const sign = createSigner({
    key: jwtSecret,
    algorithm: 'HS256',
    iss: tokenIssuer,
    aud: tokenAudience,
  })
  const iat = Math.floor(Date.now() / 1000)
  const exp = iat + tokenTtlSeconds
  const tokenOf = (userId: number): string => sign({ sub: uidOf(userId), iat, exp })
  await createSchema(files.databasePath)
  insertUsers(files.databasePath, count + 1)
  await writeTokens(files.tokensPath, count, tokenOf)
  return tokenOf(firstUserId + count)
}

/** The tokens of all shoppers, cut out of one buffer when needed. */
export class Tokens {
  private readonly bytes: Buffer
  private readonly length: number

  constructor(bytes: Buffer, count: number) {
    this.bytes = bytes
    this.length = bytes.length / count
    if (!Number.isInteger(this.length)) throw new Error('the tokens are not equally long')
  }

  of(shopper: number): string {
    return this.bytes.toString('latin1', shopper * this.length, (shopper + 1) * this.length)
  }
}

async function createSchema(path: string): Promise<void> {
  const database = openSqlite({ path, clock: systemClock, random: Math.random })
  await migrate(database, readMigrations(migrationsFolder), systemClock.now())
  await database.close()
}

const insertUser = `insert into users (id, name, email, created_at, uid) values (?, ?, ?, ?, ?)`

function insertUsers(path: string, count: number): void {
  const connection = new Sqlite(path)
  const insert = connection.prepare(insertUser)
  const now = Date.now()
  connection.transaction(() => {
    for (let id = firstUserId; id < firstUserId + count; id++) {
      insert.run(id, `Shopper ${id}`, `shopper-${id}@bench.invalid`, now, uidOf(id))
    }
  })()
  connection.close()
}

const tokensPerWrite = 10_000

async function writeTokens(
  path: string,
  count: number,
  tokenOf: (userId: number) => string,
): Promise<void> {
  const file = await open(path, 'w')
  try {
    for (let from = 0; from < count; from += tokensPerWrite) {
      const some = Math.min(tokensPerWrite, count - from)
      const tokens = Array.from({ length: some }, (_, index) => tokenOf(firstUserId + from + index))
      await file.write(tokens.join(''))
    }
  } finally {
    await file.close()
  }
}
