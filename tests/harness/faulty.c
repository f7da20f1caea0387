/* A program that takes the server's place on disk and fails as MODE says when it is to be a worker; everything
 * else is done by the real one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The channel to the master (master/src/boot.rs), and what says "ready" on it. */
#define CHANNEL 401
#define READY "R"

enum { PANIC, HANG, CRASH, MASTER };

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "role-worker") == 0) {
        switch (MODE) {
        case PANIC:
            return 101;
        case HANG:
            for (;;)
                pause();
        case CRASH:
            if (write(CHANNEL, READY, 1) != 1)
                return 2;
            usleep(200000);
            return 1;
        }
    }
    /* A master of another version that finds out too late that it cannot go on: it becomes the program before
     * again, which the record names. */
    if (MODE == MASTER && argc == 4 && strcmp(argv[1], "role-master") == 0) {
        char path[64], record[1 << 16], *before;
        snprintf(path, sizeof path, "/proc/self/fd/%s", argv[3]);
        FILE *file = fopen(path, "r");
        size_t length = file ? fread(record, 1, sizeof record - 1, file) : 0;
        record[length] = 0;
        if ((before = strstr(record, "\"before\":")) == NULL)
            return 3;
        snprintf(path, sizeof path, "/proc/self/fd/%d", atoi(before + strlen("\"before\":")));
        execl(path, argv[0], argv[1], argv[2], argv[3], "--reverted", "planted", (char *)NULL);
        return 4;
    }
    execv(REAL, argv);
    return 127;
}
