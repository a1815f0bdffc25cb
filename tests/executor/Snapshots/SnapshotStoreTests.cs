using System.Security.Cryptography;
using Microsoft.Extensions.Time.Testing;
using RunnerVm.Images;
using RunnerVm.Snapshots;
using RunnerVm.Store;
using Xunit;

namespace RunnerVm.Tests.Executor.Snapshots;

/// <summary>What the store gives out is what was put in, or nothing.</summary>
public sealed class SnapshotStoreTests : IDisposable
{
    private const int MemoryBytes = 4 << 20;

    /// <summary>To each of the three files, of each of the two kinds.</summary>
    private static readonly int Harms = Environment.GetEnvironmentVariable("RUNNERVM_SOAK") == "1" ? 200 : 10;

    private static readonly SnapshotKey Key = new("0123456789abcdef", ["format 1", "engine test"]);
    private readonly string _root = Directory.CreateTempSubdirectory("rvsnap").FullName;
    private readonly SnapshotStore _store;

    public SnapshotStoreTests() => _store = NewStore();

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void What_was_published_is_found_with_its_files()
    {
        Publish(Key);
        var found = _store.Find(Key);
        Assert.Null(found.ThrownAway);
        Assert.Equal(MemoryBytes, new FileInfo(found.Snapshot!.Files.Memory).Length);
        Assert.True(File.Exists(found.Snapshot.Scratch));
        Assert.Null(_store.Find(Key with { Name = "fedcba9876543210" }).Snapshot);
    }

    [Theory]
    [InlineData("memory")]
    [InlineData("state")]
    [InlineData("scratch")]
    public void A_file_cut_anywhere_is_thrown_away_with_its_snapshot(string file)
    {
        for (var i = 0; i < Harms; i++)
        {
            var path = Path.Combine(Publish(Key).Folder, file);
            using (var cut = File.OpenHandle(path, FileMode.Open, FileAccess.Write)) RandomAccess.SetLength(cut, Random.Shared.NextInt64(new FileInfo(path).Length));
            AssertThrownAway();
        }
    }

    [Theory]
    [InlineData("memory")]
    [InlineData("state")]
    [InlineData("scratch")]
    public void A_bit_turned_anywhere_is_thrown_away_with_its_snapshot(string file)
    {
        for (var i = 0; i < Harms; i++)
        {
            var path = Path.Combine(Publish(Key).Folder, file);
            using (var turned = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite))
            {
                var at = Random.Shared.NextInt64(new FileInfo(path).Length);
                var one = new byte[1];
                RandomAccess.Read(turned, one, at);
                one[0] ^= (byte)(1 << Random.Shared.Next(8));
                RandomAccess.Write(turned, one, at);
            }

            AssertThrownAway();
        }
    }

    [Fact]
    public void A_torn_manifest_and_a_missing_file_are_thrown_away()
    {
        File.WriteAllText(Path.Combine(Publish(Key).Folder, "manifest.json"), "{\"inputs\":[");
        AssertThrownAway();
        File.Delete(Publish(Key).Files.State);
        AssertThrownAway();
    }

    [Fact]
    public void A_touched_file_with_the_same_content_is_kept_and_sealed_again()
    {
        var snapshot = Publish(Key);
        File.SetLastWriteTimeUtc(snapshot.Files.Memory, DateTime.UtcNow.AddHours(-1));
        var again = _store.Find(Key).Snapshot;
        Assert.NotNull(again);
        Assert.NotEqual(snapshot.Manifest.Memory.Modified, _store.List().Single().Manifest.Memory.Modified);
    }

    [Fact]
    public void A_bit_that_turned_without_changing_a_time_is_found_within_the_hour()
    {
        var clock = new FakeTimeProvider(DateTimeOffset.UtcNow);
        var store = new SnapshotStore(new DataDirectory(Path.Combine(_root, "data")), clock);
        var memory = Publish(Key, store).Files.Memory;
        var written = File.GetLastWriteTimeUtc(memory);
        using (var turned = File.OpenHandle(memory, FileMode.Open, FileAccess.Write)) RandomAccess.Write(turned, "harm"u8, MemoryBytes / 2);
        File.SetLastWriteTimeUtc(memory, written);
        Assert.NotNull(store.Find(Key).Snapshot);
        clock.Advance(TimeSpan.FromHours(1));
        Assert.NotNull(store.Find(Key).ThrownAway);
    }

    [Fact]
    public void Beyond_its_room_the_longest_unused_goes_first_and_never_the_new_one()
    {
        var small = NewStore(maxBytes: MemoryBytes * 5 / 2);
        SnapshotKey[] keys = [.. Enumerable.Range(0, 3).Select(i => Key with { Name = $"{i:x16}" })];
        Publish(keys[0], small);
        Publish(keys[1], small);
        Assert.NotNull(small.Find(keys[0]).Snapshot);
        Publish(keys[2], small);
        Assert.Equal([keys[0].Name, keys[2].Name], small.List().Select(static s => s.Name).Order());
    }

    [Fact]
    public async Task What_a_killed_remover_left_is_swept()
    {
        var grave = Directory.CreateDirectory(Path.Combine(_store.Folder, ".gone-12345678")).FullName;
        File.WriteAllText(Path.Combine(grave, "memory"), "half");
        await _store.SweepAsync(CancellationToken.None);
        Assert.Empty(Directory.GetFileSystemEntries(_store.Folder));
    }

    [Fact]
    public void One_that_no_machine_woke_up_from_is_not_wanted_again_at_once()
    {
        Assert.True(_store.Wants(Key));
        Publish(Key);
        Assert.False(_store.Wants(Key));
        _store.Discard(Key, "it did not answer");
        Assert.Null(_store.Find(Key).Snapshot);
        Assert.False(_store.Wants(Key));
    }

    [Fact]
    public void A_digest_does_not_tell_holes_from_zeroes_and_tells_all_else()
    {
        var (holes, zeroes) = (Path.Combine(_root, "holes"), Path.Combine(_root, "zeroes"));
        using (var file = File.OpenHandle(holes, FileMode.Create, FileAccess.Write)) RandomAccess.SetLength(file, 3 << 20);
        File.WriteAllBytes(zeroes, new byte[3 << 20]);
        Assert.Equal(SparseFile.Digest(holes), SparseFile.Digest(zeroes));
        File.WriteAllBytes(zeroes, new byte[(3 << 20) + 1]);
        Assert.NotEqual(SparseFile.Digest(holes), SparseFile.Digest(zeroes));
    }

    private void AssertThrownAway()
    {
        var found = _store.Find(Key);
        Assert.Null(found.Snapshot);
        Assert.NotNull(found.ThrownAway);
        Assert.Empty(Directory.GetDirectories(_store.Folder));
        Assert.True(_store.Wants(Key));
    }

    private SnapshotStore NewStore(long maxBytes = SnapshotStore.DefaultMaxBytes) =>
        new(new DataDirectory(Path.Combine(_root, "data")), TimeProvider.System) { MaxBytes = maxBytes };

    private Snapshot Publish(SnapshotKey key, SnapshotStore? store = null)
    {
        store ??= _store;
        var folder = Directory.CreateDirectory(Path.Combine(store.Folder, ".new")).FullName;
        File.WriteAllBytes(Path.Combine(folder, "memory"), RandomNumberGenerator.GetBytes(MemoryBytes));
        File.WriteAllBytes(Path.Combine(folder, "state"), RandomNumberGenerator.GetBytes(60_000));
        File.WriteAllBytes(Path.Combine(folder, "scratch"), RandomNumberGenerator.GetBytes(100_000));
        return store.Publish(key, folder);
    }
}
