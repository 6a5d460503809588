import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTemporaryFolder, type TemporaryFolder } from '../../test/support/temporary-folder.ts'
import { keepDevelopmentSecrets, SecretsFileError, secretsPath } from './development-secrets.ts'

let folder: TemporaryFolder
let databasePath: string
beforeEach(() => {
  folder = createTemporaryFolder()
  databasePath = join(folder.path, 'data', 'holdfast.db')
})
afterEach(() => {
  folder.remove()
})

describe('the secrets that development makes', () => {
  it('are made once and kept beside the database, for their owner only', () => {
    const made = keepDevelopmentSecrets(databasePath)
    expect(made.ADMIN_TOKEN).toMatch(/^[\w-]{32}$/)
    expect(made.JWT_SECRET).toMatch(/^[\w-]{32}$/)
    expect(made.JWT_SECRET).not.toBe(made.ADMIN_TOKEN)
    expect(keepDevelopmentSecrets(databasePath)).toEqual(made)
    expect(statSync(secretsPath(databasePath)).mode & 0o777).toBe(0o600)
    expect(readdirSync(join(folder.path, 'data'))).toEqual(['development-secrets.json'])
  })

  it('are those of the starter that was first', () => {
    const first = { ADMIN_TOKEN: 'a'.repeat(32), JWT_SECRET: 'j'.repeat(32) }
    mkdirSync(join(folder.path, 'data'))
    writeFileSync(secretsPath(databasePath), JSON.stringify(first))
    expect(keepDevelopmentSecrets(databasePath)).toEqual(first)
  })

  it.each(['', '{', 'null', '{"ADMIN_TOKEN":"short","JWT_SECRET":"short"}'])(
    'are refused with a sentence when the file has %j, and it is left as it is',
    (text) => {
      mkdirSync(join(folder.path, 'data'))
      const path = secretsPath(databasePath)
      writeFileSync(path, text)
      expect(() => keepDevelopmentSecrets(databasePath)).toThrow(SecretsFileError)
      expect(() => keepDevelopmentSecrets(databasePath)).toThrow(
        `${path} does not hold the secrets`,
      )
      expect(readFileSync(path, 'utf8')).toBe(text)
    },
  )

  it('are refused with a sentence where nothing can be written', () => {
    const refused = (path: string): void => {
      expect(() => keepDevelopmentSecrets(path)).toThrow(/neither read from .* set DATABASE_PATH/)
    }
    refused('/proc/nowhere/holdfast.db')
    writeFileSync(join(folder.path, 'file'), '')
    refused(join(folder.path, 'file', 'holdfast.db'))
  })
})
