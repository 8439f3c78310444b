import { sha256hex } from '../base/index.ts'
import { componentOf } from '../journal/index.ts'
import type { ComponentRow, EnvRow } from '../state/index.ts'
import { storable } from './check.ts'
import { InvalidDifference } from './errors.ts'

/** Where the founding contract and the store call one thing by two names. Pure. */

/** App of the states that belong to no app, and have no parent. */
const NO_APP = '/'

/** The row of a state by its name: `shop/prod` at the top level is the environment `prod` of the app `shop`; any other name belongs to no app. */
export function placeOf(name: string, parent: string | undefined): { readonly app: string; readonly name: string } {
  if (parent !== undefined) return { app: `/${parent}`, name }
  const parts = name.split('/')
  return parts.length === 2 && parts[0] !== '' && parts[1] !== '' ? { app: parts[0] as string, name: parts[1] as string } : { app: NO_APP, name }
}

export const stateName = (env: Pick<EnvRow, 'app' | 'name'>): string => (env.app.startsWith('/') ? env.name : `${env.app}/${env.name}`)
export const parentOf = (env: Pick<EnvRow, 'app'>): string | undefined => (env.app.startsWith('/') && env.app !== NO_APP ? env.app.slice(1) : undefined)
export const childrenApp = (env: Pick<EnvRow, 'id'>): string => `/${env.id}`

/** What a change locks: its component, so that others can change others; an apply, which takes the state around it, is kept out by each. */
export function scopeOf(env: Pick<EnvRow, 'id' | 'app' | 'name'>, component?: string): string {
  // A colon ends the state in the name of a scope.
  const state = env.app.startsWith('/') || env.app.includes(':') || env.name.includes(':') ? `state/${env.id}` : `${env.app}/${env.name}`
  return component === undefined ? state : `${state}:${component}`
}

export const addressOf = (component: string, name: string): string => (component === '.' ? name : `${component}/${name}`).normalize('NFC')
export const nameIn = (address: string): string => address.slice(address.lastIndexOf('/') + 1)
export { componentOf }

const unstorable = (what: string) => new InvalidDifference(`${what} has a NUL or half a character in it.`, 'Use another name.')

/** One segment of an address. */
export function checkedName(what: string, name: unknown): string {
  if (typeof name !== 'string' || name.length === 0 || name.includes('/')) throw new InvalidDifference(`${what} must be a text without a slash.`, 'Use another name.')
  if (!storable(name)) throw unstorable(what)
  return name.normalize('NFC')
}

/** A path; `.` for what is outside any component. */
export function checkedPath(what: string, name: unknown): string {
  if (typeof name !== 'string' || name.length === 0 || name.split('/').some((part) => part === '')) throw new InvalidDifference(`${what} must be a text; a slash may only stand between two names.`, 'Use another name.')
  if (!storable(name)) throw unstorable(what)
  return name.normalize('NFC')
}

/** Identity of a component that has none on record yet: it follows from where it is. */
export const derivedUid = (env: string, name: string, n = 0): string => `c-${sha256hex(`holdfast:component\0${env}\0${name}\0${n}`).slice(0, 26)}`

/** What tells the resources of one type in one component apart in the cloud: the same in every run and after a rename. The engine gives providers the same text. */
export const namespaceToken = (storeId: string, env: string, seed: string, type: string): string => sha256hex(`holdfast:namespace\0${storeId}\0${env}\0${seed}\0${type}`).slice(0, 32)

export const seedOf = (row: ComponentRow | undefined, name: string): string => row?.seed ?? name
