// Loads a program of this repository into this process, as if Node had been started with it.
import { pathToFileURL } from 'node:url'
import { isInstalled, root } from './installed.js'
import { isStale } from './build.js'

/** Loads the compiled `name` of `dist`, or its source when `dist` is older and tsx is there to read it. */
export async function loadCompiled(name, args) {
  if (isStale() && isInstalled('tsx')) await loadSource(`src/${name}.ts`, args)
  else await load(`dist/${name}.js`, args)
}

/** Loads a TypeScript file, `path` from the top of the repository. */
export async function loadSource(path, args) {
  const { register } = await import('tsx/esm/api')
  register()
  await load(path, args)
}

async function load(path, args) {
  process.argv = [process.argv[0], `${root}${path}`, ...args]
  try {
    await import(pathToFileURL(`${root}${path}`).href)
  } catch (error) {
    // A module that cannot be loaded, such as a driver that was not built.
    const { isUnderstood, sentenceOf } = await import(startFailure(path))
    if (!isUnderstood(error)) throw error
    process.stderr.write(`${sentenceOf(error)}\n`)
    process.exit(1)
  }
}

const startFailure = (path) =>
  path.startsWith('dist/') ? '../dist/start-failure.js' : '../src/start-failure.ts'
