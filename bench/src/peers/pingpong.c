/* A plain MPI ping-pong, as the peer of `comm/examples/pingpong.rs --json`: same sizes, counts, warm-up and lines.
 * `mpirun -n 2 pingpong`; pairs of ranks (0,1), (2,3), ... at once. A line a size: half a round trip in us, of each batch of exchanges. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As many as in the peer. */
enum { BATCHES = 50 };

struct size {
    int bytes, exchanges;
    const char *name;
};

static const struct size sizes[] = {
    {8, 5000, "8 B"},         {1024, 5000, "1 KiB"},   {4096, 5000, "4 KiB"},
    {65536, 2000, "64 KiB"}, {1 << 20, 200, "1 MiB"}, {8 << 20, 50, "8 MiB"},
};

static void rounds(int partner, int first, char *out, char *in, int bytes, int exchanges) {
    for (int i = 0; i < exchanges; i++) {
        if (first)
            MPI_Send(out, bytes, MPI_BYTE, partner, 7, MPI_COMM_WORLD);
        MPI_Recv(in, bytes, MPI_BYTE, partner, 7, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        if (!first)
            MPI_Send(out, bytes, MPI_BYTE, partner, 7, MPI_COMM_WORLD);
    }
}

int main(int argc, char **argv) {
    MPI_Init(&argc, &argv);
    int rank, size;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    int partner = rank ^ 1, first = rank < partner;
    char *out = malloc(8 << 20), *in = malloc(8 << 20);
    if (!out || !in || partner >= size) {
        fprintf(stderr, "pingpong: an even number of ranks, and 16 MiB each, are needed\n");
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    memset(out, 1, 8 << 20);
    memset(in, 0, 8 << 20);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        int bytes = sizes[s].bytes, exchanges = sizes[s].exchanges / BATCHES;
        double half[BATCHES];
        MPI_Barrier(MPI_COMM_WORLD);
        rounds(partner, first, out, in, bytes, sizes[s].exchanges / 10);
        for (int b = 0; b < BATCHES; b++) {
            double begun = MPI_Wtime();
            rounds(partner, first, out, in, bytes, exchanges);
            half[b] = (MPI_Wtime() - begun) / exchanges / 2 * 1e6;
        }
        if (rank == 0) {
            printf("{\"name\":\"mpi, %s, half round trip\",\"unit\":\"us\",\"samples\":[", sizes[s].name);
            for (int b = 0; b < BATCHES; b++)
                printf("%s%.4f", b ? "," : "", half[b]);
            printf("]}\n");
        }
    }
    free(out);
    free(in);
    MPI_Finalize();
    return 0;
}
