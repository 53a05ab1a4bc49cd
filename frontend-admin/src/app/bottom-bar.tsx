import { UnstyledButton } from '@mantine/core'
import { IconMenu2 } from '@tabler/icons-react'
import { Link, useLocation } from 'react-router'
import { isAt, type Place } from './nav'
import styles from './shell.module.css'

/** On a phone: the five that are used most, and the rest behind More. */
export function BottomBar({ places, more }: { places: Place[]; more: () => void }) {
  const { pathname } = useLocation()
  return (
    <nav className={styles.bottom} aria-label="Pages used most">
      {places
        .filter((place) => place.often)
        .map((place) => (
          <Link
            key={place.to}
            to={place.to}
            aria-current={isAt(place, pathname) ? 'page' : undefined}
          >
            <place.icon size={20} stroke={1.6} aria-hidden />
            {place.label}
          </Link>
        ))}
      <UnstyledButton onClick={more} aria-label="More pages">
        <IconMenu2 size={20} stroke={1.6} aria-hidden />
        More
      </UnstyledButton>
    </nav>
  )
}
