import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startChild } from '../support/processes/child-process.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Installing takes 10 s; this only catches a registry that never answers. */
const installWithinMs = 300_000

/** Schemathesis cannot be installed here: no Python, no venv module, or no registry. */
export class NotInstalledError extends Error {
  override readonly name = 'NotInstalledError'
}

/**
 * Makes a virtual environment with exactly the packages of a requirements file, once for each state of that
 * file.
 * @returns the folder of its programs.
 * @throws NotInstalledError with the last lines of what failed.
 */
export async function prepareVirtualEnvironment(
  requirements: string,
  environment: Environment,
): Promise<string> {
  const state = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12)
  const folder = join(import.meta.dirname, '../../node_modules/.cache', `schemathesis-${state}`)
  const programs = join(folder, 'bin')
  const finished = join(folder, 'finished')
  if (existsSync(finished)) return programs
  // A folder of an interrupted installation is no environment.
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  await succeed(['python3', '-m', 'venv', folder], environment)
  const pip = join(programs, 'pip')
  const quietly = ['--quiet', '--disable-pip-version-check']
  await succeed([pip, 'install', ...quietly, '-r', requirements], environment)
  writeFileSync(finished, '')
  return programs
}

async function succeed(
  command: readonly [string, ...string[]],
  environment: Environment,
): Promise<void> {
  const child = startChild({ name: command[0], command, environment })
  const { code } = await child.endsWithin(installWithinMs)
  if (code === 0) return
  const lines = child.output().trim().split('\n').slice(-3).join('\n')
  throw new NotInstalledError(`${command.join(' ')} failed:\n${lines}`)
}
