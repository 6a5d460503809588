import { cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readText, root } from '../support/documents.ts'
import { startChild } from '../support/processes/child-process.ts'
import { runToEnd, type Finished } from '../support/run-command.ts'
import { createTemporaryFolder } from '../support/temporary-folder.ts'

/**
 * The files of the Docker image in a folder, since there is no Docker here: what the last stage of the
 * Dockerfile copies, and of the packages only those that `npm prune --omit=dev` leaves.
 */
const folder = createTemporaryFolder()
const [, shipped = ''] = readText('Dockerfile').split(/^FROM .*\n(?![^]*^FROM )/m)
const copied = [...shipped.matchAll(/^COPY (?:--from=build )?(.+)$/gm)].flatMap(
  ([, words = '']) => {
    return words
      .split(' ')
      .slice(0, -1)
      .map((name) => name.replace('/app/', ''))
  },
)

interface Lock {
  readonly packages: Readonly<
    Record<string, { readonly dev?: boolean; readonly optional?: boolean }>
  >
}

function linkProductionPackages(): void {
  const { packages } = JSON.parse(readText('package-lock.json')) as Lock
  const top = Object.entries(packages).filter(([path]) =>
    /^node_modules\/(@[^/]+\/)?[^/]+$/.test(path),
  )
  for (const [path] of top.filter(([, { dev }]) => dev !== true)) {
    mkdirSync(dirname(join(folder.path, path)), { recursive: true })
    symlinkSync(join(root, path), join(folder.path, path))
  }
}

const run = (script: string, ...args: readonly string[]): Promise<Finished> =>
  runToEnd('npm', ['run', '--silent', script, '--', ...args], { cwd: folder.path })

describe('the files of the Docker image', () => {
  beforeAll(() => {
    for (const name of copied.filter((each) => each !== 'node_modules')) {
      cpSync(join(root, name), join(folder.path, name), { recursive: true })
    }
    linkProductionPackages()
  })
  afterAll(() => {
    folder.remove()
  })

  it('are no sources and no compiler', () => {
    expect(copied).toContain('dist')
    expect(readdirSync(folder.path)).not.toContain('src')
    const packages = readdirSync(join(folder.path, 'node_modules'))
    expect(packages).toContain('pino-pretty')
    expect(packages.filter((name) => ['typescript', 'tsx', 'vitest'].includes(name))).toEqual([])
  })

  it('run the program, and the commands of the operator on its database', async () => {
    const migrated = await run('migrate')
    expect(migrated).toMatchObject({ code: 0, stderr: '' })
    expect(migrated.stdout).toMatch(/^applied +0001_initial$/m)
    const program = startChild({
      name: 'the program',
      command: [process.execPath, 'dist/main.js'],
      environment: { PATH: process.env['PATH'], PORT: '0' },
      folder: folder.path,
    })
    await program.printed(/listens on/)
    expect(await program.stop()).toEqual({ code: 0, signal: null })
    const audited = await run('audit')
    expect(audited).toMatchObject({ code: 0, stderr: '' })
    expect(audited.stdout).toMatch(/^holds +I1 /m)
  })

  it('have every command of src/commands', async () => {
    const commands = readdirSync(join(root, 'src', 'commands'))
      .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
      .map((name) => name.replace('.ts', ''))
    const { scripts } = JSON.parse(readText('package.json')) as {
      readonly scripts: Readonly<Record<string, string>>
    }
    for (const name of commands.filter((each) => scripts[each] !== undefined)) {
      expect(scripts[name]).toBe(`node scripts/command.js ${name}`)
      expect(await run(name, '--help')).toMatchObject({ code: 0, stderr: '' })
    }
  })
})
