import { describe, expect, it } from 'vitest'
import { readText, root } from '../support/documents.ts'
import { runToEnd } from '../support/run-command.ts'

const { scripts } = JSON.parse(readText('package.json')) as {
  readonly scripts: Readonly<Record<string, string>>
}
/** These run tools of others, which have a `--help` of their own. */
const tools = ['build', 'typecheck', 'lint', 'format', 'format:check', 'test']
const programs = Object.keys(scripts).filter((name) => !tools.includes(name))

const run = (name: string, argument: string) =>
  runToEnd('npm', ['run', '--silent', name, '--', argument], { cwd: root })

describe.each(programs)('npm run %s', (name) => {
  it('answers --help with its usage and starts nothing', async () => {
    const { code, stdout, stderr } = await run(name, '--help')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^usage: npm (run )?[\w-]+/i)
    expect(stdout).toContain('--help')
    expect(stdout).toMatch(/exit code/i)
  })

  it('refuses an option it does not know with 2 and its usage', async () => {
    const { code, stdout, stderr } = await run(name, '--no-such-option')
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain('--no-such-option')
    expect(stderr).toMatch(/^usage: npm /im)
  })
})

it('every tool and every program of package.json is one of the two', () => {
  expect(tools.filter((name) => scripts[name] === undefined)).toEqual([])
  expect(programs).toContain('start')
})
