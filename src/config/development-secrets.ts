import { randomBytes, randomUUID } from 'node:crypto'
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { makeFolder } from '../make-folder.ts'

/**
 * The secrets that development makes. They are kept beside the database, readable by their owner
 * only, so that the admin token and the shoppers' tokens survive a restart. Production never comes
 * here.
 */
export interface DevelopmentSecrets {
  readonly ADMIN_TOKEN: string
  readonly JWT_SECRET: string
}

const schema = z.object({ ADMIN_TOKEN: z.string().min(16), JWT_SECRET: z.string().min(32) })

/** Where the secrets of a database are kept. */
export function secretsPath(databasePath: string): string {
  return join(dirname(databasePath), 'development-secrets.json')
}

/** The file of secrets is there and cannot be used. */
export class SecretsFileError extends Error {
  override readonly name = 'SecretsFileError'
}

/**
 * Reads the secrets of a database, or makes them. Two starters at once both use the file that comes first:
 * `link` is atomic and overwrites nothing, and the file has its content before its name.
 * @throws SecretsFileError with a sentence when the file can be neither read nor made.
 */
export function keepDevelopmentSecrets(databasePath: string): DevelopmentSecrets {
  const path = secretsPath(databasePath)
  try {
    return parse(readFileSync(path, 'utf8'), path)
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw explained(error, path)
  }
  try {
    publish(path, JSON.stringify(makeSecrets(), null, 2))
    return parse(readFileSync(path, 'utf8'), path)
  } catch (error) {
    throw explained(error, path)
  }
}

const secretBytes = 24
const makeSecret = (): string => randomBytes(secretBytes).toString('base64url')
const makeSecrets = (): DevelopmentSecrets => ({
  ADMIN_TOKEN: makeSecret(),
  JWT_SECRET: makeSecret(),
})

function publish(path: string, text: string): void {
  const temporary = `${path}.${randomUUID()}`
  makeFolder(dirname(path))
  try {
    writeFileSync(temporary, `${text}\n`, { mode: 0o600, flag: 'wx' })
    linkSync(temporary, path)
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error
  } finally {
    rmSync(temporary, { force: true })
  }
}

function parse(text: string, path: string): DevelopmentSecrets {
  const secrets = schema.safeParse(jsonOf(text))
  if (secrets.success) return secrets.data
  throw new SecretsFileError(
    `${path} does not hold the secrets that development made: remove it, and new ones are made, or set ADMIN_TOKEN and JWT_SECRET.`,
  )
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const hasCode = (error: unknown, code: string): boolean =>
  (error as NodeJS.ErrnoException | undefined)?.code === code

function explained(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || error instanceof SecretsFileError) return error
  const { code = error.message } = error as NodeJS.ErrnoException
  return new SecretsFileError(
    `The secrets that development makes can be neither read from ${path} nor written there (${code}): set DATABASE_PATH to a file in a folder that this user may write to, or set ADMIN_TOKEN and JWT_SECRET.`,
    { cause: error },
  )
}
