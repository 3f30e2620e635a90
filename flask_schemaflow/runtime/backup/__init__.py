"""Saving a database before it is changed, so that whatever happens can be undone with one command.

``guard``        when to save: settings, options, what the pending revisions destroy
``database``     saves one, and tells how to restore it
``destruction``  whether they destroy anything
``saving``       a file that is there whole or not at all
``savers``       which of the following is for which database
``sqlite``       SQLite's online backup
``postgresql``   pg_dump
``mysql``        mariadb-dump and mysqldump
``tools``        running a program without a password on its command line
"""
