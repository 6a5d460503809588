import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Sqlite } from '../../src/db/sqlite/driver.ts'
import { root } from '../support/documents.ts'
import { runToEnd, type Finished } from '../support/run-command.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts'

let folder: TemporaryFolder
beforeEach(() => {
  folder = createTemporaryFolder()
})
afterEach(() => {
  folder.remove()
})

type Variables = Readonly<Record<string, string>>

/** Starts the built program in an empty folder, where it is expected not to start. */
function start(environment: Variables): Promise<Finished> {
  const script = join(root, 'scripts', 'start.js')
  return runToEnd(process.execPath, [script], {
    cwd: folder.path,
    environment: { PORT: '0', ...environment },
  })
}

/** One sentence on standard error, an exit code, and not a line of a stack anywhere. */
async function expectSentence(ended: Promise<Finished>, sentence: RegExp): Promise<void> {
  const { code, stdout, stderr } = await ended
  expect(stderr).toMatch(sentence)
  expect(stderr.trim().split('\n')).toHaveLength(1)
  expect(stdout).not.toMatch(/ {4}at |"level":50|did not start/)
  expect(code).toBe(1)
}

const preload = (script: string): Variables => ({
  NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(script)}`,
})

describe('a start that cannot succeed says in one sentence why, and what to do', () => {
  it('when the port is taken', async () => {
    const holder = createServer()
    await once(holder.listen(0, '127.0.0.1'), 'listening')
    const { port } = holder.address() as AddressInfo
    const sentence = (name: string): RegExp =>
      new RegExp(`^Port ${port} of 127\\.0\\.0\\.1 is taken: .* set ${name} to a free port`)
    await expectSentence(start({ PORT: String(port) }), sentence('PORT'))
    await expectSentence(start({ ADMIN_PORT: String(port) }), sentence('ADMIN_PORT'))
    holder.close()
  })

  it('when the machine has no such address', async () => {
    await expectSentence(start({ HOST: '192.0.2.1' }), /^HOST=192\.0\.2\.1 is no address of this/)
    await expectSentence(
      start({ HOST: 'no.such.host.invalid' }),
      /^HOST=no\.such\.host\.invalid is/,
    )
  })

  it.each(['DATABASE_PATH', 'PAYMENT_SIMULATOR_PATH'])('when %s cannot be made', async (name) => {
    writeFileSync(join(folder.path, 'file'), '')
    mkdirSync(join(folder.path, 'folder'))
    for (const path of ['/proc/nowhere/shop.db', 'file/shop.db', 'folder']) {
      await expectSentence(
        start({ [name]: path, ADMIN_TOKEN: 'given-so-none-is-kept', JWT_SECRET: 'given-likewise' }),
        new RegExp(`^The .* ${path} can be neither opened nor made .*: set ${name} to a file`),
      )
    }
  })

  it('when development can keep no secrets beside the database', async () => {
    await expectSentence(
      start({ DATABASE_PATH: '/proc/nowhere/shop.db' }),
      /^The secrets that development makes .* set DATABASE_PATH to a file in a folder/,
    )
  })

  it('when the database is no database', async () => {
    writeFileSync(
      join(folder.path, 'text.db'),
      'a diary, and long enough to be looked at\n'.repeat(99),
    )
    const sentence =
      /^The database text\.db is damaged or no SQLite file \(SQLITE_NOTADB\): restore/
    await expectSentence(start({ DATABASE_PATH: 'text.db' }), sentence)
  })

  it('when the database is newer than the program', async () => {
    const database = new Sqlite(join(folder.path, 'newer.db'))
    database.exec(`create table schema_migrations (name text, checksum text, applied_at integer);
      insert into schema_migrations values ('9999_tomorrow', 'x', 0)`)
    database.close()
    const sentence = /^The database newer\.db cannot be used: .*9999_tomorrow.*Start the version/
    await expectSentence(start({ DATABASE_PATH: 'newer.db' }), sentence)
  })

  it.each([
    [
      'was compiled against a different Node.js version using NODE_MODULE_VERSION 1',
      /built for another Node version.*run npm ci/,
    ],
    ['invalid ELF header', /not built.*install a C\+\+ compiler.*run npm ci/],
  ])('when the SQLite driver %s', async (message, sentence) => {
    const error = `Object.assign(new Error(${JSON.stringify(message)}), { code: 'ERR_DLOPEN_FAILED' })`
    await expectSentence(start(preload(`process.dlopen = () => { throw ${error} }`)), sentence)
  })

  it('when Node is too old', async () => {
    const old = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.8' } })`
    await expectSentence(
      start(preload(old)),
      /^Node 18\.20\.8 cannot run this program, .*\^20\.19\.0/,
    )
  })

  it('when npm ci has not run', async () => {
    for (const name of ['scripts', 'package.json']) {
      cpSync(join(root, name), join(folder.path, name), { recursive: true })
    }
    const script = join(folder.path, 'scripts', 'start.js')
    const ended = runToEnd(process.execPath, [script], { cwd: folder.path })
    await expectSentence(ended, /^The packages .* are not installed yet: run npm ci/)
  })
})

it('wrong variables are named, one line each, those of .env as well', async () => {
  const { code, stderr } = await start({ HSOT: '1', HOLD_SECONDS: 'five' })
  expect([code, stderr.trim().split('\n')]).toEqual([
    1,
    [
      'The environment cannot be used:',
      expect.stringMatching(/^HSOT: .*HOST is probably meant/),
      'HOLD_SECONDS: a whole number from 1 to 86400 is wanted, not "five"',
    ],
  ])
  writeFileSync(join(folder.path, '.env'), 'PROT=3000\n')
  const file = await start({})
  expect(file.stderr).toMatch(/^PROT in \.env: .*PORT is probably meant$/m)
  mkdirSync(join(folder.path, 'elsewhere', '.env'), { recursive: true })
  const unreadable = runToEnd(process.execPath, [join(root, 'scripts', 'start.js')], {
    cwd: join(folder.path, 'elsewhere'),
  })
  expect((await unreadable).stderr).toMatch(/\.env: it cannot be read \(EISDIR\)/)
})
