import { ActionIcon, Badge, Stack, Tooltip, VisuallyHidden } from '@mantine/core'
import { IconChevronsLeft, IconChevronsRight } from '@tabler/icons-react'
import { Link, useLocation } from 'react-router'
import { isAt, type Place } from './nav'
import styles from './shell.module.css'

export type Counts = Record<string, number>

/** Icons with words; collapsed, the words are in the tooltips. */
export function Rail({
  places,
  counts,
  collapsed,
  toggle,
  onGo,
}: {
  places: Place[]
  counts: Counts
  collapsed: boolean
  toggle?: () => void
  onGo?: () => void
}) {
  const { pathname } = useLocation()
  return (
    <Stack gap={2} h="100%" p={6}>
      {places.map((place) => (
        <Tooltip key={place.to} label={place.label} position="right" disabled={!collapsed}>
          <Link
            to={place.to}
            className={styles.place}
            aria-current={isAt(place, pathname) ? 'page' : undefined}
            aria-label={collapsed ? nameOf(place, counts[place.to]) : undefined}
            onClick={onGo}
          >
            <place.icon size={18} stroke={1.6} aria-hidden />
            {!collapsed && <span>{place.label}</span>}
            {!collapsed && <Count number={counts[place.to]} />}
          </Link>
        </Tooltip>
      ))}
      {toggle && (
        <ActionIcon
          mt="auto"
          variant="subtle"
          color="gray"
          onClick={toggle}
          aria-label={collapsed ? 'Show the words' : 'Icons only'}
        >
          {collapsed ? <IconChevronsRight size={16} /> : <IconChevronsLeft size={16} />}
        </ActionIcon>
      )}
    </Stack>
  )
}

function nameOf(place: Place, count: number | undefined): string {
  return count ? `${place.label}, ${count} waiting` : place.label
}

function Count({ number }: { number: number | undefined }) {
  if (!number) return null
  return (
    <Badge size="sm" variant="filled" color="red.8" className={styles.count}>
      {number > 99 ? '99+' : number}
      <VisuallyHidden component="span"> waiting</VisuallyHidden>
    </Badge>
  )
}
