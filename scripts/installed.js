// Checks that npm scripts can run here. It imports only what every Node since 14.18 has, so that it can
// say that a Node is too old.
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))
const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8'))

/** Ends the process with one sentence when this Node is not supported or `npm ci` has not run. */
export function requireInstalled() {
  const problem = nodeProblem(process.versions.node, manifest.engines.node) ?? packagesProblem()
  if (problem === undefined) return
  process.stderr.write(`${problem}\n`)
  process.exit(1)
}

/** Understands the forms of `engines` in package.json: `^20.19.0 || >=24.0.0`. */
export function nodeProblem(version, wanted) {
  const isSupported = wanted.split('||').some((range) => matches(version, range.trim()))
  return isSupported
    ? undefined
    : `Node ${version} cannot run this program, which needs ${wanted}: install one of these (https://nodejs.org), then run npm ci.`
}

function matches(version, range) {
  const [, sign, lowest] = /^(\^|>=)(\d+\.\d+\.\d+)$/.exec(range) ?? []
  if (lowest === undefined) throw new Error(`engines in package.json has an unknown form: ${range}`)
  if (sign === '^' && major(version) !== major(lowest)) return false
  return compare(version, lowest) >= 0
}

const major = (version) => Number(version.split('.')[0])

function compare(one, other) {
  const others = other.split('.').map(Number)
  const differences = one.split('.').map((part, index) => Number.parseInt(part, 10) - others[index])
  return differences.find((difference) => difference !== 0) ?? 0
}

function packagesProblem() {
  const missing = Object.keys(manifest.dependencies).find((name) => !isInstalled(name))
  if (missing === undefined) return undefined
  return existsSync(`${root}node_modules`)
    ? `The package ${missing} is not installed: run npm ci, then this again.`
    : 'The packages that this program needs are not installed yet: run npm ci, then this again.'
}

export const isInstalled = (name) => existsSync(`${root}node_modules/${name}/package.json`)
